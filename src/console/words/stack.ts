/** Classes of a status as the chart stacks them, from below. */
export const CLASSES = ['2xx', '3xx', '4xx', '5xx', '1xx'] as const

export type StatusClass = (typeof CLASSES)[number]

/** Columns of a chart: the seconds at which each begins, and how high each class reaches, upon those below it. */
export interface Stack {
  readonly seconds: readonly number[]
  readonly tops: Readonly<Record<StatusClass, readonly number[]>>
  readonly totals: Readonly<Record<StatusClass, number>>
}

/** The columns of a chart. */
interface Columns {
  readonly since: Date
  readonly until: Date
  readonly stepMs: number
}

interface Counted {
  readonly at: string
  readonly key: string | null
  readonly requests: number
}

/** Stacks points upon each other, with a column of nothing for each step of the window without a request. */
export function stackOf(points: readonly Counted[], { since, until, stepMs }: Columns): Stack {
  const first = Math.floor(since.getTime() / stepMs)
  const length = Math.max(1, Math.ceil(until.getTime() / stepMs) - first)
  const counts = Object.fromEntries(CLASSES.map((name) => [name, zeros(length)])) as Record<
    StatusClass,
    number[]
  >
  for (const { at, key, requests } of points) {
    const column = Math.floor(new Date(at).getTime() / stepMs) - first
    const of = counts[CLASSES.find((name) => name === key) ?? '1xx']
    if (column >= 0 && column < length) of[column] = (of[column] ?? 0) + requests
  }
  const below = zeros(length)
  const tops: Partial<Record<StatusClass, readonly number[]>> = {}
  const totals: Partial<Record<StatusClass, number>> = {}
  for (const name of CLASSES) {
    const column = counts[name]
    totals[name] = column.reduce((sum, n) => sum + n, 0)
    tops[name] = column.map((n, i) => (below[i] = (below[i] ?? 0) + n))
  }
  const seconds = Array.from({ length }, (_, i) => ((first + i) * stepMs) / 1000)
  return { seconds, tops: tops as Stack['tops'], totals: totals as Stack['totals'] }
}

/** A row of counts over the columns of a window, with nothing where nothing was. */
export function rowOf(
  points: readonly Omit<Counted, 'key'>[],
  { since, until, stepMs }: Columns,
): readonly number[] {
  const first = Math.floor(since.getTime() / stepMs)
  const row = zeros(Math.max(1, Math.ceil(until.getTime() / stepMs) - first))
  for (const { at, requests } of points) {
    const column = Math.floor(new Date(at).getTime() / stepMs) - first
    if (column >= 0 && column < row.length) row[column] = (row[column] ?? 0) + requests
  }
  return row
}

function zeros(length: number): number[] {
  return Array.from({ length }, () => 0)
}
