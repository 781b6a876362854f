import { answerOf, type Coverage, coverageStatement, type CoverageState } from './coverage.ts'
import type { PackageUser, PackageUsers } from './package-use.ts'

/** Who asked what, as the document repeats it. */
export interface WhoQuestion {
  readonly package: string
  readonly range: string | null
  readonly tenant: string | null
  readonly route: string | null
  /** Qualifiers of the question that are not recorded. */
  readonly ignoredQualifiers: readonly string[]
}

/** A row as it leaves the program: of `--json`, NDJSON and CSV, and of the API. */
export interface UserOutput {
  readonly package: string
  readonly tenant: string | null
  readonly key_id: string | null
  readonly key_name: string | null
  readonly key_state: PackageUser['keyState']
  readonly use: PackageUser['use']
  readonly outcome: string | null
  readonly requests: number
  readonly bytes_sent: number
  readonly bytes_received: number
  readonly first_at: Date
  readonly last_at: Date
  readonly versions: readonly string[]
  readonly versions_more: number
  readonly addresses: readonly string[]
  readonly addresses_more: number
  readonly user_agents: readonly string[]
  readonly user_agents_more: number
}

/** Names of a row's fields, in their order. */
export const USER_FIELDS = [
  'package',
  'tenant',
  'key_id',
  'key_name',
  'key_state',
  'use',
  'outcome',
  'requests',
  'bytes_sent',
  'bytes_received',
  'first_at',
  'last_at',
  'versions',
  'versions_more',
  'addresses',
  'addresses_more',
  'user_agents',
  'user_agents_more',
] as const satisfies readonly (keyof UserOutput)[]

/** A user as a row. */
export function userOutput(user: PackageUser): UserOutput {
  return {
    package: user.purl,
    tenant: user.tenant,
    key_id: user.keyId,
    key_name: user.keyName,
    key_state: user.keyState,
    use: user.use,
    outcome: user.outcome,
    requests: user.requests,
    bytes_sent: user.bytesSent,
    bytes_received: user.bytesReceived,
    first_at: user.firstAt,
    last_at: user.lastAt,
    versions: user.versions.values,
    versions_more: user.versions.more,
    addresses: user.addresses.values,
    addresses_more: user.addresses.more,
    user_agents: user.userAgents.values,
    user_agents_more: user.userAgents.more,
  }
}

/** The user that a row is of. */
export function userOf(row: UserOutput): PackageUser {
  return {
    purl: row.package,
    tenant: row.tenant,
    keyId: row.key_id,
    keyName: row.key_name,
    keyState: row.key_state,
    use: row.use,
    outcome: row.outcome,
    requests: row.requests,
    bytesSent: row.bytes_sent,
    bytesReceived: row.bytes_received,
    firstAt: row.first_at,
    lastAt: row.last_at,
    versions: { values: row.versions, more: row.versions_more },
    addresses: { values: row.addresses, more: row.addresses_more },
    userAgents: { values: row.user_agents, more: row.user_agents_more },
  }
}

/** What an answer rests on, as a document. `gaps`: lines of the audit. */
export function coverageOutput(coverage: Coverage, users: PackageUsers, gaps: readonly string[]) {
  const { state, missing, unseen } = coverageStatement(coverage, users)
  const { audit, missing: missingEntries, isCounted, settledAt, unidentified, expired } = coverage
  return {
    state,
    missing,
    unseen,
    audit,
    rows: isCounted ? 'counted' : 'not counted',
    missingEntries,
    gaps,
    settledAt,
    unidentified,
    expired,
  }
}

/** The whole answer, the same for `waybill who --json` and `GET /api/who`. */
export function whoDocument(
  question: WhoQuestion,
  users: PackageUsers,
  coverage: Coverage,
  gaps: readonly string[],
) {
  const { users: rows, ...counts } = users
  return {
    ...question,
    since: coverage.since,
    until: coverage.until,
    answer: verdictOf(coverage, users),
    ...counts,
    users: rows.map(userOutput),
    coverage: coverageOutput(coverage, users, gaps),
  }
}

const WORDS: Readonly<Record<CoverageState, string>> = {
  complete: ', and nothing is missing',
  so_far: '; nothing is missing, as far as was seen. Not seen: ',
  gaps: ', but ',
}

/** The answer and what it rests on in one line. */
export function verdictOf(coverage: Coverage, users: PackageUsers): string {
  const { state, missing, unseen } = coverageStatement(coverage, users)
  const rest = unseen.join('; ')
  const more = state === 'gaps' ? missing.join('; ') + (rest === '' ? '' : `. Not seen: ${rest}`) : rest
  return `${answerOf(users)}${WORDS[state]}${more}`
}
