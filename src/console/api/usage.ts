import { boundsOf, type Range } from '../words/filter.ts'
import { get } from './client.ts'

/** Sums of one tenant or route over a window. */
export interface UsageSum {
  readonly name: string | null
  readonly requests: number
  readonly errors: number
  readonly refused: number
  readonly bytesSent: number
  readonly bytesReceived: number
}

interface UsageRow {
  readonly tenant: string | null
  readonly route: string | null
  readonly requests: number | string
  readonly errors_5xx: number | string
  readonly bytes_received: number | string
  readonly bytes_sent: number | string
  readonly refused_auth: number | string
  readonly refused_limit: number | string
  readonly refused_other: number | string
}

/** Usage of a window by tenant or route, of one tenant or all, most requests first. */
export async function getUsage(
  by: 'tenant' | 'route',
  range: Range,
  signal: AbortSignal,
  tenant?: string,
): Promise<readonly UsageSum[]> {
  const { from, to } = boundsOf(range, new Date())
  const query = new URLSearchParams({
    since: from.toISOString(),
    until: to.toISOString(),
    ...(tenant === undefined ? {} : { tenant }),
  })
  const { usage } = await get<{ usage: readonly UsageRow[] }>(`/api/v1/usage?${query}`, { signal })
  const sums = new Map<string | null, UsageSum>()
  for (const row of usage) sums.set(row[by], added(sums.get(row[by]), row[by], row))
  return [...sums.values()].toSorted((a, b) => b.requests + b.refused - a.requests - a.refused)
}

function added(old: UsageSum | undefined, name: string | null, row: UsageRow): UsageSum {
  const { requests = 0, errors = 0, refused = 0, bytesSent = 0, bytesReceived = 0 } = old ?? {}
  return {
    name,
    requests: requests + Number(row.requests),
    errors: errors + Number(row.errors_5xx),
    refused: refused + Number(row.refused_auth) + Number(row.refused_limit) + Number(row.refused_other),
    bytesSent: bytesSent + Number(row.bytes_sent),
    bytesReceived: bytesReceived + Number(row.bytes_received),
  }
}
