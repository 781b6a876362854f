import { z } from 'zod'
import { didYouMean } from '../lib/near-name.ts'

type Issue = z.core.$ZodIssue

/** What is wrong, with the key or value that may have been meant. No value is quoted: it may be a secret. */
export function issueText(issue: Issue, schema: z.ZodType, item: unknown): string {
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path)
    const hints = issue.keys.map((key) => didYouMean(key, known))
    return issue.message + hints.join('')
  }
  if (issue.code === 'invalid_value') {
    const given = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)[key], item)
    const hint = typeof given === 'string' ? didYouMean(given, issue.values.map(String)) : ''
    return issue.message + hint
  }
  return issue.message
}

/** The keys that an object of the schema may have at that path. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: z.ZodType | undefined = bare(schema)
  for (const key of path) {
    const next: unknown = at instanceof z.ZodObject ? at.shape[String(key)] : undefined
    if (!(next instanceof z.ZodType)) return []
    at = bare(next)
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : []
}

/** The schema without what makes it optional, gives a default or transforms it. */
export function bare(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) {
    const inner: unknown = schema.unwrap()
    return inner instanceof z.ZodType ? bare(inner) : schema
  }
  if (schema instanceof z.ZodPipe) {
    const from: unknown = schema.in
    return from instanceof z.ZodType ? bare(from) : schema
  }
  return schema
}
