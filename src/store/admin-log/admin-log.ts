import type { Sql, TransactionSql } from '../sql.ts'

/** One change, as the admin log has it. */
export interface AdminLogEntry {
  /** From 1, without holes, in the order of the commits. */
  readonly seq: number
  readonly at: Date
  /** Who it was said to be; the role where nobody was named. */
  readonly actor: string
  /** By which way it was made. */
  readonly via: 'api' | 'oidc' | 'cli' | 'job' | 'sql'
  /** Address or host; for SQL with the name of the program. */
  readonly from: string
  /** The role that the session logged in as: all else of who it was is what that role said. */
  readonly role: string
  /** Kind and verb: `tenant.created`, `key.revoked`. */
  readonly action: string
  /** Kind and id: `tenant:acme`, `key:0123456789ab`, `retention`. */
  readonly subject: string
  /** Of a key or token. */
  readonly name: string | null
  /** Whose the subject is. */
  readonly tenant: string | null
  /** By column: what changed, as it was and is; the whole row of what was created (`before` is null) or removed (`after` is). */
  readonly before: Fields | null
  readonly after: Fields | null
}

/** Columns of a row, as PostgreSQL makes JSON of them. */
export type Fields = Readonly<Record<string, unknown>>

/** Which entries are asked for; without a filter all. */
export interface AdminLogFilter {
  readonly since?: Date
  readonly until?: Date
  readonly actor?: string
  readonly via?: AdminLogEntry['via']
  /** `tenant:acme`, or the kind alone: `tenant`. */
  readonly subject?: string
  /** What belongs to the tenant: itself, its keys and tokens. */
  readonly tenant?: string
}

/** A page of a listing. */
export interface AdminLogPage {
  /** `newest`: from the end on. */
  readonly order: 'oldest' | 'newest'
  /** Behind this entry, in that order: the last one of the page before. */
  readonly after?: number
  readonly limit: number
}

/** Entries of the admin log, `limit` at most. */
export async function listAdminLog(
  sql: Sql | TransactionSql,
  filter: AdminLogFilter,
  { order, after, limit }: AdminLogPage,
): Promise<AdminLogEntry[]> {
  const { since, until, actor, via, subject, tenant } = filter
  const isNewest = order === 'newest'
  const behind =
    after === undefined ? sql`` : isNewest ? sql`AND l.seq < ${after}` : sql`AND l.seq > ${after}`
  const rows = await sql<{ record: string }[]>`
    SELECT l.record FROM admin_log l
    WHERE true ${behind}
      ${since === undefined ? sql`` : sql`AND l.at >= ${since}`}
      ${until === undefined ? sql`` : sql`AND l.at < ${until}`}
      ${actor === undefined ? sql`` : sql`AND l.actor = ${actor}`}
      ${via === undefined ? sql`` : sql`AND l.via = ${via}`}
      ${subject === undefined ? sql`` : ofSubject(sql, subject)}
      ${tenant === undefined ? sql`` : sql`AND l.tenant = ${tenant}`}
    ORDER BY l.seq ${isNewest ? sql`DESC` : sql``} LIMIT ${limit}`
  return rows.map(({ record }) => readRecord(record))
}

/** The entry in a record. Throws a SyntaxError for what is none. */
function readRecord(record: string): AdminLogEntry {
  const read = JSON.parse(record) as Omit<AdminLogEntry, 'at'> & { readonly at: string }
  return { ...read, at: new Date(read.at) }
}

/** A kind alone means all subjects of it. */
function ofSubject(sql: Sql | TransactionSql, subject: string) {
  if (subject.includes(':')) return sql`AND l.subject = ${subject}`
  return sql`AND (l.subject = ${subject} OR l.subject LIKE ${`${subject.replaceAll(/[\\%_]/g, '\\$&')}:%`})`
}
