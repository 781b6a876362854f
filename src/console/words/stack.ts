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
export function stackOf(points: readonly Counted[], columns: Columns): Stack {
  const { first, length } = placesOf(columns)
  const below = zeros(length)
  const tops: Partial<Record<StatusClass, readonly number[]>> = {}
  const totals: Partial<Record<StatusClass, number>> = {}
  for (const name of CLASSES) {
    const row = rowOf(
      points.filter(({ key }) => classOf(key) === name),
      columns,
    )
    totals[name] = row.reduce((sum, n) => sum + n, 0)
    tops[name] = row.map((n, i) => (below[i] = (below[i] ?? 0) + n))
  }
  const seconds = Array.from({ length }, (_, i) => ((first + i) * columns.stepMs) / 1000)
  return { seconds, tops: tops as Stack['tops'], totals: totals as Stack['totals'] }
}

/** A row of counts over the columns of a window, with nothing where nothing was. */
export function rowOf(points: readonly Omit<Counted, 'key'>[], columns: Columns): readonly number[] {
  const { first, length } = placesOf(columns)
  const row = zeros(length)
  for (const { at, requests } of points) {
    const column = Math.floor(new Date(at).getTime() / columns.stepMs) - first
    if (column >= 0 && column < length) row[column] = (row[column] ?? 0) + requests
  }
  return row
}

/** The number of a window's first step, and how many it has. */
function placesOf({ since, until, stepMs }: Columns): { readonly first: number; readonly length: number } {
  const first = Math.floor(since.getTime() / stepMs)
  return { first, length: Math.max(1, Math.ceil(until.getTime() / stepMs) - first) }
}

/** What has no class is drawn on top. */
function classOf(key: string | null): StatusClass {
  return CLASSES.find((name) => name === key) ?? '1xx'
}

function zeros(length: number): number[] {
  return Array.from({ length }, () => 0)
}
