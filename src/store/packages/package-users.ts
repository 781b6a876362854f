import type { PackageMatcher } from '../../model/artifact/package-matcher.ts'
import type { PackageUser, PackageUsers, Sample } from '../../model/artifact/package-use.ts'
import { encode, purlOf } from '../../model/artifact/purl.ts'
import type { Sql } from '../sql.ts'
import { readScoped } from '../tenant-scope.ts'
import { packageCondition, type PackageScope } from './package-key.ts'
import { readTimes } from './package-times.ts'
import { readUses, type UseRow } from './package-uses.ts'
import { chooseVersions, isLikeNamed, sampleOf, type VersionChoice } from './package-versions.ts'

/** Where and when to look. */
export type UsersFilter = Omit<PackageScope, 'names' | 'ecosystems' | 'times'>

/** What is read of the database. */
interface Found {
  readonly choice: VersionChoice
  readonly rows: readonly UseRow[]
}

const ALL: VersionChoice = {
  meant: [],
  unversioned: 0,
  incomparable: 0,
  incomparableVersions: { values: [], more: 0 },
  likeNamed: { values: [], more: 0 },
  isCut: false,
}

/**
 * Who did what with the packages that are asked for, from the entries of the log. `purlTypes`: the type of package URLs by ecosystem. The
 * index of packages gives the rows; where versions or qualifiers decide, they are read twice, first to see which
 * versions there are. Memory is bounded by the users that are listed, and their samples.
 */
export async function findPackageUsers(
  sql: Sql,
  matcher: PackageMatcher,
  filter: UsersFilter,
  purlTypes: ReadonlyMap<string, string>,
): Promise<PackageUsers> {
  const typeOf = (ecosystem: string): string => purlTypes.get(ecosystem) ?? ecosystem
  const ecosystems = [...purlTypes.keys()].filter((name) => matcher.types.includes(typeOf(name)))
  const asked = { ...filter, names: matcher.spellings, ecosystems }
  const { choice, rows } = await readScoped<Found, readonly string[] | null>(
    sql,
    filter.tenant,
    async (tx, times) => {
      const scope = { ...asked, ...(times === undefined ? {} : { times }) }
      if (!matcher.isNarrow) return { choice: ALL, rows: await readUses(tx, scope, null) }
      const choice = await chooseVersions(tx, scope, matcher, typeOf)
      return { choice, rows: choice.meant.length === 0 ? [] : await readUses(tx, scope, choice.meant) }
    },
    (tx) => readTimes(tx, tx`SELECT e.started_at FROM access_log e WHERE ${packageCondition(tx, asked)}`),
  )
  const likeNamed = new Set(choice.likeNamed.values)
  const groups = groupsOf(rows).filter(([row]) => {
    if (row === undefined || matcher.isNarrow) return row !== undefined
    const [type, name] = [typeOf(row.ecosystem), row.package]
    if (matcher.judge({ type, name, version: '', qualifiers: '' }) === 'meant') return true
    if (isLikeNamed(matcher, type, name)) likeNamed.add(`${type}/${name}`)
    return false
  })
  const keys = await readKeys(sql, new Set(rows.map(({ key_id }) => key_id ?? '')))
  const { meant: _, ...counts } = choice
  return {
    users: groups.map((group) => userOf(group, typeOf, keys)),
    userCount:
      groups.length + Math.max(0, (rows[0]?.user_count ?? 0) - new Set(rows.map((r) => r.user_rank)).size),
    ...counts,
    likeNamed: sampleOf(likeNamed),
  }
}

/** Rows of a user follow each other. */
function groupsOf(rows: readonly UseRow[]): UseRow[][] {
  const groups = new Map<number, UseRow[]>()
  for (const row of rows) {
    const group = groups.get(row.user_rank)
    if (group === undefined) groups.set(row.user_rank, [row])
    else group.push(row)
  }
  return [...groups.values()]
}

interface KeyRow {
  readonly id: string
  readonly name: string | null
  readonly state: 'active' | 'expired' | 'revoked'
}

/** Names of keys in any state, by id. */
async function readKeys(sql: Sql, ids: ReadonlySet<string>): Promise<ReadonlyMap<string, KeyRow>> {
  const rows = await sql<KeyRow[]>`
    SELECT k.id, k.name, CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired' ELSE 'active' END AS state
    FROM api_keys k WHERE k.id = ANY (${[...ids]}::text[])`
  return new Map(rows.map((row) => [row.id, row]))
}

function userOf(
  group: readonly UseRow[],
  typeOf: (ecosystem: string) => string,
  keys: ReadonlyMap<string, KeyRow>,
): PackageUser {
  const sum = group.find(({ part }) => part === 'sum') ?? group[0]
  if (sum === undefined) throw new RangeError('a user without rows')
  const key = keys.get(sum.key_id ?? '')
  return {
    purl: purlOf(typeOf(sum.ecosystem), { name: sum.package, version: '', qualifiers: '' }),
    tenant: sum.tenant,
    keyId: sum.key_id,
    keyName: key?.name ?? null,
    keyState: key?.state ?? null,
    use: sum.use,
    outcome: sum.outcome,
    requests: sum.requests,
    bytesSent: sum.bytes_sent,
    bytesReceived: sum.bytes_received,
    firstAt: sum.first_at,
    lastAt: sum.last_at,
    versions: valuesOf(group, 'version', versionOf),
    addresses: valuesOf(group, 'address', (row) => row.client_ip ?? ''),
    userAgents: valuesOf(group, 'agent', (row) => row.user_agent ?? ''),
  }
}

function versionOf({ version, qualifiers }: UseRow): string {
  return encode(version ?? '') + (qualifiers === null || qualifiers === '' ? '' : `?${qualifiers}`)
}

function valuesOf(group: readonly UseRow[], part: UseRow['part'], read: (row: UseRow) => string): Sample {
  const found = group.filter((row) => row.part === part)
  const values = found.map(read)
  return { values, more: (found[0]?.many ?? values.length) - values.length }
}
