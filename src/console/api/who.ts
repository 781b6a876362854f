import type { Range } from '../words/filter.ts'
import { get } from './client.ts'

export interface PackageUser {
  readonly package: string
  readonly tenant: string | null
  readonly key_id: string | null
  readonly key_name: string | null
  readonly key_state: string | null
  readonly use: string
  readonly outcome: string | null
  readonly requests: number
  readonly bytes_sent: number
  readonly first_at: string
  readonly last_at: string
  readonly versions: readonly string[]
  readonly versions_more: number
  readonly addresses: readonly string[]
  readonly addresses_more: number
  readonly user_agents: readonly string[]
  readonly user_agents_more: number
}

/** Who did something with a package, and what that answer rests on. */
export interface WhoAnswer {
  readonly since: string | null
  readonly until: string | null
  readonly answer: string
  readonly userCount: number
  readonly users: readonly PackageUser[]
  readonly isCut: boolean
  readonly coverage: {
    readonly state: 'complete' | 'so_far' | 'gaps'
    readonly missing: readonly string[]
    readonly unseen: readonly string[]
    readonly gaps: readonly string[]
  }
}

export interface WhoQuestion {
  readonly package: string
  readonly range: string
  readonly tenant: string
}

/** The question as parameters, for the API and the address alike. */
export function whoQuery(question: WhoQuestion, window: Range): URLSearchParams {
  const query = new URLSearchParams()
  const all = { ...question, since: window.since, until: window.until }
  for (const [name, value] of Object.entries(all)) if (value !== '') query.set(name, value)
  return query
}

export function getWho(question: WhoQuestion, window: Range, signal: AbortSignal): Promise<WhoAnswer> {
  return get(`/api/v1/who?${whoQuery(question, window)}`, { signal })
}
