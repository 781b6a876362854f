import type { Accounts, Cell } from './result.ts'

/** A cell that counts, with these changes. */
export function cellOf(
  changes: Partial<Omit<Cell, 'accounts'>> & { readonly accounts?: Partial<Accounts> },
): Cell {
  return {
    scenario: '1k',
    candidate: 'waybill',
    round: 1,
    requests: 100,
    seconds: 1,
    requestsPerSecond: 100,
    megabytesPerSecond: 0.1,
    cpuUs: { user: 20, system: 10, total: 30 },
    postgresUs: 6,
    latencyMs: { p50: 1, p90: 2, p99: 3, p999: 4, max: 5 },
    residentBytes: 1_048_576,
    generatorUs: 8,
    foreignShare: 0,
    ...changes,
    accounts: {
      sent: 100,
      answered: 100,
      refused: 0,
      upstream: 100,
      stored: 100,
      isSettled: true,
      ...changes.accounts,
    },
  }
}
