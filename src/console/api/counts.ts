import type { Filter, FilterName, Range } from '../words/filter.ts'
import { searchOf } from '../words/filter.ts'
import { get } from './client.ts'

/** Whether a window was too large to be counted, and what the numbers are made of. */
interface Basis {
  readonly isSample: boolean
  readonly rows: number
}

/** A value of a field, null for none, and how many requests have it. */
export interface FacetValue {
  readonly value: string | null
  readonly n: number
}

/** Fields whose values are counted, in the order in which they are shown. */
export const FACETS = [
  'outcome',
  'reason',
  'status',
  'tenant',
  'route',
  'method',
  'package',
  'artifactKind',
  'key',
  'address',
] as const satisfies readonly FilterName[]

export type Facet = (typeof FACETS)[number]

export interface Facets extends Basis, Readonly<Record<Facet, readonly FacetValue[]>> {
  readonly n: number
}

/** Requests of a part of the window. */
export interface Bin {
  readonly at: string
  readonly n: number
  readonly errors: number
  readonly refused: number
}

export interface Histogram extends Basis {
  readonly stepMs: number
  readonly items: readonly Bin[]
}

export function getFacets(filter: Filter, range: Range, signal: AbortSignal): Promise<Facets> {
  return get(`/api/v1/entries/facets?${searchOf(filter, range)}`, { signal })
}

export function getHistogram(filter: Filter, range: Range, signal: AbortSignal): Promise<Histogram> {
  return get(`/api/v1/entries/histogram?${searchOf(filter, range)}`, { signal })
}
