import type { LostLife, RememberedLife } from '../../model/audit/life.ts'
import type { Sql, TransactionSql } from '../sql.ts'

/** So many lives tell of one; more would say nothing new. */
const MAX_WITNESSES = 2

/** Lives that a new one tells of from the database itself. */
const MAX_SEEN = 16

/**
 * The name of the log, the same wherever its database has been copied or restored to; and whether the database has the last batch
 * of a life, true when there is none.
 */
export async function readLogState(
  sql: Sql,
  life: RememberedLife | null,
): Promise<{ log: string; hasBatch: boolean }> {
  const hasBatch =
    life === null
      ? sql`true`
      : sql`(EXISTS (
          SELECT FROM access_ledger WHERE instance = ${life.instance} AND batch = ${life.batch}
            AND digest = ${Buffer.from(life.digest, 'hex')}
        ) OR EXISTS (SELECT FROM access_checkpoints WHERE instance = ${life.instance} AND last_batch >= ${life.batch}))`
  const [row] = await sql<{ log: string | null; has_batch: boolean }[]>`
    SELECT (SELECT log FROM access_log_identity)::text AS log, ${hasBatch} AS has_batch`
  return { log: row?.log ?? '', hasBatch: row?.has_batch ?? true }
}

/**
 * Notes what a life remembers of others, or of itself. May be repeated; where others tell of a life already, their word is enough. Lives
 * of the time of which only the sum is known are passed over: whether they are part of it cannot be told.
 */
export async function tellLives(sql: Sql, witness: string, lives: readonly RememberedLife[]): Promise<void> {
  if (lives.length === 0) return
  const column = <T>(pick: (life: RememberedLife) => T): T[] => lives.map(pick)
  await sql`
    INSERT INTO instance_links AS k (instance, witness, host, batch, digest, settled, first_at, last_at)
    SELECT v.instance, ${witness}, v.host, v.batch, decode(v.digest, 'hex'), v.settled,
      to_timestamp(v.first_ms / 1000), to_timestamp(v.last_ms / 1000)
    FROM unnest(${column((l) => l.instance)}::uuid[], ${column((l) => l.host)}::text[], ${column((l) => l.batch)}::bigint[],
      ${column((l) => l.digest)}::text[], ${column((l) => l.settled)}::bigint[], ${column((l) => l.firstAtMs)}::float8[],
      ${column((l) => l.lastAtMs)}::float8[]) AS v (instance, host, batch, digest, settled, first_ms, last_ms)
    WHERE (
      SELECT count(*) FROM instance_links o
      WHERE o.instance = v.instance AND o.witness <> ${witness} AND o.batch >= v.batch) < ${MAX_WITNESSES}
      AND (to_timestamp(v.last_ms / 1000) > coalesce((SELECT last_at FROM access_past_lives), '-infinity')
        OR EXISTS (SELECT FROM instances i WHERE i.id = v.instance)
        OR EXISTS (SELECT FROM access_checkpoints c WHERE c.instance = v.instance)
        OR EXISTS (SELECT FROM access_ledger l WHERE l.instance = v.instance))
    ON CONFLICT (instance, witness) DO UPDATE SET batch = excluded.batch, digest = excluded.digest, settled = excluded.settled,
      first_at = least(k.first_at, excluded.first_at), last_at = greatest(k.last_at, excluded.last_at), told_at = excluded.told_at
    WHERE excluded.batch > k.batch`
}

/** Which lives are told of, as the database has them. */
export interface SeenLives {
  /** Seen in so many seconds before now; all when not given. */
  readonly withinSeconds?: number
  /** Those that live, too. */
  readonly withLiving: boolean
}

/**
 * Notes the newest lives of which too few tell, as the database has them: of gateways that keep no state, or in another folder, it is
 * all that there is. The removal of one of them leaves the reports of it.
 */
export async function tellSeen(sql: Sql, witness: string, seen: SeenLives): Promise<void> {
  const { withinSeconds, withLiving } = seen
  await sql`
    INSERT INTO instance_links AS k (instance, witness, host, batch, digest, settled, first_at, last_at)
    SELECT i.id, ${witness}, i.host, b.batch, b.digest, b.settled, i.started_at, greatest(i.started_at, b.last_at)
    FROM instances i CROSS JOIN LATERAL (
      SELECT l.batch, l.digest, l.accepted_seq - coalesce(l.buffered, 0) AS settled,
        coalesce(l.last_started_at, l.written_at) AS last_at
      FROM access_ledger l WHERE l.instance = i.id
      UNION ALL
      SELECT c.last_batch, c.digest, c.accepted_seq - c.buffered, c.last_at FROM access_checkpoints c WHERE c.instance = i.id
      ORDER BY 1 DESC LIMIT 1
    ) b
    WHERE i.id <> ${witness} AND b.digest IS NOT NULL AND b.settled IS NOT NULL
      ${withinSeconds === undefined ? sql`` : sql`AND i.last_seen_at > clock_timestamp() - make_interval(secs => ${withinSeconds})`}
      ${
        withLiving
          ? sql``
          : sql`AND (i.ended_at IS NOT NULL OR i.died_at IS NOT NULL OR i.last_seen_at < clock_timestamp() - interval '1 minute')`
      }
      AND (SELECT count(*) FROM instance_links o WHERE o.instance = i.id AND o.batch >= b.batch) < ${MAX_WITNESSES}
    ORDER BY i.last_seen_at DESC LIMIT ${MAX_SEEN}
    ON CONFLICT (instance, witness) DO UPDATE SET batch = excluded.batch, digest = excluded.digest, settled = excluded.settled,
      last_at = greatest(k.last_at, excluded.last_at), told_at = excluded.told_at
    WHERE excluded.batch > k.batch`
}

interface LostRow {
  readonly instance: string
  readonly witness: string
  readonly host: string
  readonly batch: number
  readonly settled: number
  readonly first_ms: number
  readonly last_ms: number
  readonly newest_batch: number | null
  readonly newest_settled: number | null
  readonly newest_ms: number | null
  readonly is_other: boolean
}

/**
 * The lives, all of them or some, whose last reported batch the database does not have, nor a later one. A hole before
 * a later batch is not told here: the ledger tells of it.
 */
export async function findLost(
  sql: Sql | TransactionSql,
  of: { readonly instances?: readonly string[]; readonly since?: Date } = {},
): Promise<LostLife[]> {
  const { instances, since } = of
  const rows = await sql<LostRow[]>`
    SELECT t.instance, t.witness, t.host, t.batch, t.settled, extract(epoch FROM t.first_at)::float8 * 1000 AS first_ms,
      extract(epoch FROM t.last_at)::float8 * 1000 AS last_ms, n.batch AS newest_batch, n.settled AS newest_settled,
      extract(epoch FROM n.at)::float8 * 1000 AS newest_ms, coalesce(same.digest <> t.digest, false) AS is_other
    FROM (
      SELECT DISTINCT ON (k.instance) k.* FROM instance_links k
      WHERE true ${instances === undefined ? sql`` : sql`AND k.instance = ANY(${[...instances]}::uuid[])`}
        ${since === undefined ? sql`` : sql`AND k.last_at >= ${since}`}
      ORDER BY k.instance, k.batch DESC
    ) t
    LEFT JOIN LATERAL (
      SELECT l.batch, l.accepted_seq - coalesce(l.buffered, 0) AS settled, coalesce(l.last_started_at, l.written_at) AS at
      FROM access_ledger l WHERE l.instance = t.instance
      UNION ALL
      SELECT c.last_batch, c.accepted_seq - c.buffered, c.last_at FROM access_checkpoints c WHERE c.instance = t.instance
      ORDER BY 1 DESC LIMIT 1
    ) n ON true
    LEFT JOIN LATERAL (
      SELECT l.digest FROM access_ledger l WHERE l.instance = t.instance AND l.batch = t.batch
      UNION ALL SELECT c.digest FROM access_checkpoints c WHERE c.instance = t.instance AND c.last_batch = t.batch
    ) same ON true
    WHERE n.batch IS NULL OR n.batch < t.batch OR same.digest <> t.digest
    ORDER BY t.first_at, t.instance`
  return rows.map((row) => ({
    instance: row.instance,
    witness: row.witness,
    host: row.host,
    batch: row.batch,
    settled: row.settled,
    firstAtMs: row.first_ms,
    lastAtMs: row.last_ms,
    newest:
      row.newest_batch === null
        ? null
        : { batch: row.newest_batch, settled: row.newest_settled, atMs: row.newest_ms ?? 0 },
    isOther: row.is_other,
  }))
}
