import type { AuditAccount, AuditSummary, InstanceState } from '../../../model/audit/audit.ts'
import type { CoverageState } from '../../../model/artifact/coverage.ts'
import type { Sample } from '../../../model/artifact/package-use.ts'
import type { UserOutput, WhoQuestion } from '../../../model/artifact/who-document.ts'
import type { ApiClient } from './api-client.ts'
import { withTimes } from './remote-directory.ts'

const DAY_MS = 86_400_000

/** The window of a question: so many days up to `until`, or to now, unless told since when. */
export function windowUpTo(
  { since, until }: { readonly since?: Date; readonly until?: Date },
  days: number,
): { readonly since: string; readonly until: string | undefined } {
  const from = since ?? (until === undefined ? null : new Date(until.getTime() - days * DAY_MS))
  return { since: from?.toISOString() ?? `${days}d`, until: until?.toISOString() }
}

/** A row of an answer, with its moments. */
const userOf = (row: object): UserOutput => withTimes<UserOutput>(row, ['first_at', 'last_at'])

/** The answer of GET /who, which is that of `waybill who --quick --json`. */
export interface WhoDocument extends WhoQuestion {
  readonly answer: string
  readonly likeNamed: Sample
  readonly users: readonly UserOutput[]
  readonly coverage: { readonly state: CoverageState; readonly gaps: readonly string[] }
}

/** Asks who had a package. Rejects with a CommandError or a StoreError. */
export async function askWho(
  api: ApiClient,
  query: Readonly<Record<string, string | undefined>>,
): Promise<WhoDocument> {
  const found = await api.ask<WhoDocument>('GET', '/who', { query })
  return { ...found, users: found.users.map(userOf) }
}

/** The answer of GET /audit. What a tenant is not told is 0 in the sums. */
export interface AuditDocument {
  readonly summary: AuditSummary
  readonly instances: readonly {
    readonly id: string
    readonly host: string | null
    readonly state: InstanceState
    readonly accounts: readonly AuditAccount[]
  }[]
  readonly gaps: readonly { readonly line: string }[]
  readonly since: Date
  readonly until: Date
  /** As it came. */
  readonly json: object
}

interface AuditAnswer extends Omit<AuditDocument, 'json' | 'summary' | 'since' | 'until'> {
  readonly since: string
  readonly until: string
  readonly batches: number | null
  readonly waiting: number | null
  readonly foldedBatches: number | null
}

/** Asks for the audit of a window. Rejects with a CommandError or a StoreError. */
export async function askAudit(
  api: ApiClient,
  query: Readonly<Record<string, string | undefined>>,
): Promise<AuditDocument> {
  const json = await api.ask<AuditAnswer>('GET', '/audit', { query })
  const { instances, gaps, batches, waiting, foldedBatches } = json
  const numbers = { batches: batches ?? 0, waiting: waiting ?? 0, foldedBatches: foldedBatches ?? 0 }
  const summary = withTimes<AuditSummary>({ ...json, ...numbers }, ['settledTo', 'batchesSince'])
  return { summary, instances, gaps, since: new Date(json.since), until: new Date(json.until), json }
}
