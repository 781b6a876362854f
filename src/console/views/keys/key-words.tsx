import type { Key, RateLimit } from '../../api/directory.ts'
import { Mark } from '../../parts/outcome.tsx'

const MARKS = { active: 'ok', expired: 'refused', revoked: 'client' } as const

/** The state of a key: mark and word. */
export function KeyState({ of: key }: { readonly of: Key }) {
  return (
    <span class="outcome">
      <Mark of={MARKS[key.state]} /> {key.state}
      {key.state === 'active' && key.rotatedTo !== null ? <span class="soft"> rotated</span> : null}
    </span>
  )
}

/** A rate in words. */
export function limitWords(limit: RateLimit | null): string {
  if (limit === null) return 'no limit'
  const burst = limit.burst === limit.perSecond ? '' : `, burst ${limit.burst}`
  return `${limit.perSecond}/s${burst}`
}

/** A rate as it is typed: `5`, or `5:20` with a burst; null for none. Undefined for what is no rate. */
export function parseLimit(text: string): RateLimit | null | undefined {
  if (text === '') return null
  const [, rate = '', burst] = /^(\d+(?:\.\d+)?)(?::(\d+))?$/.exec(text) ?? []
  if (rate === '') return undefined
  const perSecond = Number(rate)
  return { perSecond, burst: burst === undefined ? Math.max(1, Math.ceil(perSecond)) : Number(burst) }
}

/** A rate as the field for it has it. */
export function limitText(limit: RateLimit | null): string {
  return limit === null ? '' : `${limit.perSecond}:${limit.burst}`
}
