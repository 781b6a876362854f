import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectFolder } from '../version.ts'
import type { ArtifactRequest } from '../model/artifact/identity.ts'
import { ROUTE_KINDS, type RouteKind } from '../model/route.ts'

/** A row of the golden corpus, see the head of each file in `src/artifacts/corpus`. */
export interface CorpusRow {
  /** Line of its file, from 1. */
  readonly line: number
  readonly request: ArtifactRequest
  readonly kind: string
  /** '' for a request that is about no package. */
  readonly purl: string
  /** No rule can be certain: a request that is said to be about no package is right as well, a wrong name is not. */
  readonly isHeuristic: boolean
  readonly note: string
}

/** Where the packages of the corpus come from; apt's notes may name another vendor. */
const ORIGINS: Partial<Record<RouteKind, string>> = {
  oci: 'registry.example',
  git: 'git.example',
  apt: 'debian',
}

/** The rows of a kind's file. Throws for a row that has other columns. */
export function corpusOf(kind: RouteKind): CorpusRow[] {
  const text = readFileSync(join(projectFolder(), 'src/artifacts/corpus', `${kind}.tsv`), 'utf8')
  return text.split('\n').flatMap((line, i) => {
    if (line === '' || line.startsWith('#')) return []
    return [rowOf(kind, line.split('\t'), i + 1)]
  })
}

/** The rows of `layouts.tsv`, whose first column is the kind. Throws as `corpusOf`. */
export function layoutRows(): (CorpusRow & { readonly routeKind: RouteKind })[] {
  const text = readFileSync(join(projectFolder(), 'src/artifacts/corpus/layouts.tsv'), 'utf8')
  return text.split('\n').flatMap((line, i) => {
    if (line === '' || line.startsWith('#')) return []
    const [kind, ...columns] = line.split('\t')
    const routeKind = ROUTE_KINDS.find((known) => known === kind)
    if (routeKind === undefined) throw new Error(`layouts.tsv:${i + 1}: ${kind} is no kind`)
    return [{ routeKind, ...rowOf(routeKind, columns, i + 1) }]
  })
}

function rowOf(kind: RouteKind, columns: readonly string[], line: number): CorpusRow {
  const [method = '', target = '', found = '', purl = '', note = ''] = columns
  if (columns.length !== 5) throw new Error(`${kind}, line ${line} has ${columns.length} columns, not 5`)
  const [, vendor] = /\bvendor=(\S+)/.exec(note) ?? []
  const request = { method, ...splitTarget(target), origin: vendor ?? ORIGINS[kind] ?? 'upstream.example' }
  return { line, request, kind: found, purl, isHeuristic: note.includes('heuristic'), note }
}

/** Path, and query with its '?'. */
export function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf('?')
  return mark === -1
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark) }
}
