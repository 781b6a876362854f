import { type Range, searchOf } from '../words/filter.ts'
import { get } from './client.ts'

/** How often a package was asked for, of all tenants. */
export interface PackageFigure {
  readonly ecosystem: string | null
  readonly package: string
  readonly requests: number
  readonly downloads: number
  readonly bytesSent: number
}

/** The packages most asked for, in the whole hours of a window, or whole days of more than a week. */
export async function getTopPackages(
  range: Range,
  limit: number,
  signal: AbortSignal,
): Promise<readonly PackageFigure[]> {
  const query = new URLSearchParams([...searchOf({}, range), ['limit', String(limit)]])
  return (await get<{ packages: readonly PackageFigure[] }>(`/api/v1/figures/packages?${query}`, { signal }))
    .packages
}
