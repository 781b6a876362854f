/** What of a row says when things happened. Durations are microseconds. */
interface Timed {
  readonly started_at: string
  readonly duration_us: number | string
  readonly upstream_us: number | string | null
  readonly upstream: string | null
}

/** A phase of a request's life, in milliseconds from its start. */
export interface Phase {
  readonly name: string
  readonly kind: 'upstream' | 'rest'
  readonly fromMs: number
  readonly toMs: number
}

/**
 * The phases of a request that its entry tells apart, one after the other. An entry has no time of its own for what comes before the upstream
 * is asked (key, limits, scope): that is with the last phase.
 */
export function phasesOf(row: Timed): readonly Phase[] {
  const all = Number(row.duration_us) / 1000
  if (row.upstream === null) return [{ name: 'Answered by the gateway', kind: 'rest', fromMs: 0, toMs: all }]
  if (row.upstream_us === null)
    return [{ name: 'Waited for the upstream, in vain', kind: 'upstream', fromMs: 0, toMs: all }]
  const head = Math.min(all, Number(row.upstream_us) / 1000)
  return [
    { name: 'Upstream: place, connection, first byte', kind: 'upstream', fromMs: 0, toMs: head },
    { name: 'To the last byte, and the gateway itself', kind: 'rest', fromMs: head, toMs: all },
  ]
}

/** Where a bar stands on its axis, in percent. */
export interface Bar {
  readonly left: number
  readonly width: number
}

/** The place of a phase on an axis of so many milliseconds. What is very short is seen all the same. */
export function barOf(fromMs: number, toMs: number, axisMs: number): Bar {
  if (axisMs <= 0) return { left: 0, width: 100 }
  const width = Math.min(100, Math.max(MIN_WIDTH, ((toMs - fromMs) / axisMs) * 100))
  return { left: Math.min(100 - width, Math.max(0, (fromMs / axisMs) * 100)), width }
}

const MIN_WIDTH = 0.8

/** Rows on one axis of time. */
export interface Waterfall<T> {
  /** Oldest first. */
  readonly rows: readonly { readonly row: T; readonly bar: Bar; readonly headWidth: number }[]
  /** From the first start to the last end. */
  readonly axisMs: number
}

/** Those of the rows that are nearest to the middle one in time, with it, on one axis. `headWidth`: how much of a bar is the upstream's. */
export function waterfallOf<T extends Timed>(middle: T, others: readonly T[], max: number): Waterfall<T> {
  const atMs = (row: T): number => Date.parse(row.started_at)
  const endMs = (row: T): number => atMs(row) + Number(row.duration_us) / 1000
  const far = (row: T): number => Math.abs(atMs(row) - atMs(middle))
  const near = others.toSorted((a, b) => far(a) - far(b)).slice(0, max)
  const shown = [middle, ...near].toSorted((a, b) => atMs(a) - atMs(b))
  const first = Math.min(...shown.map(atMs))
  const axisMs = Math.max(...shown.map(endMs)) - first
  const rows = shown.map((row) => {
    const bar = barOf(atMs(row) - first, endMs(row) - first, axisMs)
    const upstream = phasesOf(row).find(({ kind }) => kind === 'upstream')
    const all = Number(row.duration_us) / 1000
    const share = upstream === undefined || all === 0 ? 0 : (upstream.toMs - upstream.fromMs) / all
    return { row, bar, headWidth: bar.width * share }
  })
  return { rows, axisMs }
}
