import { getFacets } from '../../api/counts.ts'
import { getKey, getTenant, type RateLimit } from '../../api/directory.ts'
import type { Entry } from '../../api/entries.ts'
import { useLoaded } from '../../state/load.ts'
import type { Filter } from '../../words/filter.ts'
import { count } from '../../words/format.ts'
import { limitWords } from '../keys/key-words.tsx'

const SECOND_MS = 1000

/** Whose requests count against the limit of a reason. */
const WHOSE: Readonly<Record<string, (entry: Entry) => Filter>> = {
  tenant_rate: ({ tenant }) => ({ tenant: [tenant ?? ''] }),
  tenant_concurrency: ({ tenant }) => ({ tenant: [tenant ?? ''] }),
  route_rate: ({ tenant, route }) => ({ tenant: [tenant ?? ''], route: [route ?? ''] }),
  key_rate: ({ tenant, key_id: key }) => ({ tenant: [tenant ?? ''], key: [key ?? ''] }),
}

interface Answer {
  readonly asked: number
  readonly limited: number
  /** Null where it is of requests at once. */
  readonly rate: RateLimit | null
  readonly atOnce: number | null
}

/** What a request that a limit refused met: how many came within the second up to it, and the limit as it is now. */
export function LimitsThen({ entry }: { readonly entry: Entry }) {
  const reason = entry.reason ?? ''
  const whose = Object.hasOwn(WHOSE, reason) && entry.tenant !== null ? WHOSE[reason] : undefined
  const { value, error } = useLoaded(whose === undefined ? null : entry.id, (signal) =>
    readLimits(entry, whose?.(entry) ?? {}, signal),
  ).value
  if (error !== null) return <p class="hint">What the limit was cannot be had: {error}</p>
  if (value === null) return null
  const { asked, limited, rate, atOnce } = value
  return (
    <p class="limits-then">
      In the second up to it <strong>{count(asked)}</strong> came, of which{' '}
      <strong>{count(asked - limited)}</strong> were let through. The limit is now{' '}
      {reason === 'tenant_concurrency'
        ? `${atOnce === null ? 'none' : `${count(atOnce)} at once`}.`
        : `${limitWords(rate)}.`}
    </p>
  )
}

async function readLimits(entry: Entry, whose: Filter, signal: AbortSignal): Promise<Answer> {
  const atMs = Date.parse(entry.started_at)
  // The end is exclusive, and the entry's own time has microseconds.
  const second = {
    since: new Date(atMs - SECOND_MS).toISOString(),
    until: new Date(atMs + 1).toISOString(),
  }
  const [counts, tenant, key] = await Promise.all([
    getFacets(whose, second, signal),
    getTenant(entry.tenant ?? '', signal),
    entry.reason === 'key_rate' ? getKey(entry.key_id ?? '', signal) : null,
  ])
  const limited = counts.outcome.find(({ value }) => value === 'rate_limited')?.n ?? 0
  const rates: Readonly<Record<string, RateLimit | null | undefined>> = {
    tenant_rate: tenant.rateLimit,
    route_rate: tenant.routeRateLimits[entry.route ?? ''],
    key_rate: key?.rateLimit,
  }
  const rate = rates[entry.reason ?? ''] ?? null
  return { asked: counts.n, limited, rate, atOnce: tenant.maxConcurrency }
}
