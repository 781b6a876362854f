import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { Test } from 'tap'
import type { documentOf } from '../../admin/api/document.ts'
import type { Reply } from '../admin.ts'

type Document = ReturnType<typeof documentOf>

/** An operation of the document. */
export interface DocumentedOperation {
  readonly method: string
  readonly path: string
  readonly operationId: string
  readonly role: string | null
  readonly isForTenants: boolean
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

/** All operations. */
export function operationsOf(document: Document): DocumentedOperation[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Readonly<Record<string, Readonly<Record<string, unknown>>>>).map(
      ([method, one]) => ({
        method: method.toUpperCase(),
        path,
        operationId: String(one['operationId']),
        role: (one['x-waybill-role'] as string | undefined) ?? null,
        isForTenants: one['x-waybill-tenant'] === true,
        responses: one['responses'] as DocumentedOperation['responses'],
      }),
    ),
  )
}

/** Fails the test when an answer is not as the document says. Paths that it does not have must be refused. */
export function checkAgainst(
  t: Test,
  document: Document,
  { method, path, reply }: { readonly method: string; readonly path: string; readonly reply: Reply },
): void {
  const plain = path.split('?')[0] ?? ''
  // A path without a parameter comes before one with.
  const found = operationsOf(document)
    .filter((one) => one.method === method && patternOf(one.path).test(`/api/v1${plain}`))
    .toSorted((a, b) => Number(a.path.includes('{')) - Number(b.path.includes('{')))[0]
  if (found === undefined) {
    if (plain !== '/openapi.json')
      t.ok(reply.status >= 400, `${method} ${plain}, which is not documented, is refused`)
    return
  }
  const { operationId, responses } = found
  const key = String(reply.status) in responses ? String(reply.status) : 'default'
  t.ok(key !== 'default' || reply.status >= 400, `${operationId}: ${reply.status} is documented`)
  const types = Object.keys(responses[key]?.content ?? {})
  if (types.length === 0) {
    t.equal(reply.text, '', `${operationId}: ${reply.status} has no body`)
    return
  }
  const type = reply.headers['content-type']?.split(';')[0] ?? ''
  t.ok(types.includes(type), `${operationId}: type of ${reply.status}: ${type}`)
  if (!type.endsWith('/json') && !type.endsWith('+json')) return
  const at = ['paths', found.path, method.toLowerCase(), 'responses', key, 'content', type, 'schema']
  const pointer = at
    .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
    .join('/')
  const validate = validatorOf(document).compile({ $ref: `doc#/${pointer}` })
  if (!validate(reply.json())) {
    t.fail(
      `${operationId}: ${reply.status} is not as documented: ${JSON.stringify(validate.errors)} in ${reply.text}`,
    )
  }
}

const VALIDATORS = new WeakMap<object, Ajv2020>()

function validatorOf(document: Document): Ajv2020 {
  const known = VALIDATORS.get(document)
  if (known !== undefined) return known
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  formats.default(ajv)
  ajv.addSchema(document, 'doc')
  VALIDATORS.set(document, ajv)
  return ajv
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`)
}
