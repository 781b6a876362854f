import type { Sql, TransactionSql } from '../sql.ts'

/**
 * What a batch's `written_at` may lie before the making of its partition, and be in it all the same: its transaction had
 * begun, and waited for the partition.
 */
const BEGUN_BEFORE_MS = 10_000

/** What became of the rows of a day: they are there, retention has dropped them and said so, or neither. */
export type RowsState = 'present' | 'expired' | 'gone'

/** A moment by both of the database's orders. */
export interface Moment {
  readonly ms: number
  /** Transaction id. */
  readonly xid: number
}

interface Life {
  readonly made: Moment
  /** When retention dropped it, or decided to and has not finished; null when it did not. */
  readonly expired: Moment | null
  readonly isGone: boolean
}

/** Rows of an instance that a partition lacked when it was dropped. */
export interface DroppedShort {
  readonly partition: string
  readonly entries: number
}

interface LifeRow {
  readonly partition: string
  readonly made_ms: number
  readonly made_xid: number
  readonly expired_ms: number | null
  /** Null while it has not finished. */
  readonly expired_xid: number | null
  readonly is_gone: boolean
  readonly short: Readonly<Record<string, number>> | null
}

/** The lives of all partitions at one moment: tells of which batches the rows must be there. */
export class RowsCover {
  readonly #attached: ReadonlySet<string>
  readonly #lives = new Map<string, Life[]>()
  readonly #short = new Map<string, DroppedShort[]>()

  constructor(attached: readonly string[], rows: readonly LifeRow[]) {
    this.#attached = new Set(attached)
    for (const row of rows) {
      const { partition, expired_ms: ms, expired_xid: xid, is_gone: isGone } = row
      const made = { ms: row.made_ms, xid: row.made_xid }
      append(this.#lives, partition, {
        made,
        expired: ms === null ? null : { ms, xid: xid ?? Infinity },
        isGone,
      })
      for (const [instance, entries] of Object.entries(row.short ?? {}))
        append(this.#short, instance, { partition, entries })
    }
  }

  /** What became of the rows of the day of `startedAt` that were written at that moment. */
  stateOf(startedAt: Date, written: Moment): RowsState {
    const partition = partitionOf(startedAt)
    const lives = this.#lives.get(partition) ?? []
    if (expiredLife(lives, written) !== undefined) return 'expired'
    if (!this.#attached.has(partition)) return 'gone'
    // Made by hand, or by a program that keeps no such books: in doubt it has always been there.
    const open = lives.filter(({ expired, isGone }) => expired === null && !isGone)
    return open.length === 0 || open.some((life) => isIn(life, written)) ? 'present' : 'gone'
  }

  /** Whether retention has dropped the rows of that day that were written at that moment, and has finished doing so. */
  isDropped(startedAt: Date, written: Moment): boolean {
    const life = expiredLife(this.#lives.get(partitionOf(startedAt)) ?? [], written)
    return life?.expired?.xid !== undefined && life.expired.xid !== Infinity
  }

  /** Rows of the instance that were missing when retention came to drop them; by partition. */
  shortOf(instance: string): readonly DroppedShort[] {
    return this.#short.get(instance) ?? []
  }
}

/** Before the making only what is so by both orders; after the drop what is so by either. */
function isIn({ made }: Life, written: Moment): boolean {
  return written.ms >= made.ms - BEGUN_BEFORE_MS || written.xid >= made.xid
}

function expiredLife(lives: readonly Life[], written: Moment): Life | undefined {
  return lives.find((life) => {
    const { expired } = life
    return expired !== null && written.ms <= expired.ms && written.xid <= expired.xid && isIn(life, written)
  })
}

/** The table of the UTC day. */
export function partitionOf(time: Date): string {
  return `access_log_${time.toISOString().slice(0, 10).replaceAll('-', '')}`
}

/** Start of the day of a partition, epoch milliseconds. */
export function dayOfPartition(partition: string): number {
  const [, year, month, day] = /(\d{4})(\d{2})(\d{2})$/.exec(partition) ?? []
  return Date.parse(`${year}-${month}-${day}`)
}

/** Reads the lives of all partitions: a row for each day that ever was, some hundred a year. */
export async function readRowsCover(sql: Sql): Promise<RowsCover> {
  const [row] = await sql<{ attached: string[] | null; lives: LifeRow[] | null }[]>`
    SELECT (
      SELECT array_agg(c.relname::text) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = to_regclass('access_log') AND NOT i.inhdetachpending
    ) AS attached, (
      SELECT jsonb_agg(jsonb_build_object('partition', p.partition, 'is_gone', p.gone_at IS NOT NULL,
        'made_ms', CASE WHEN isfinite(p.made_at) THEN floor(extract(epoch FROM p.made_at) * 1000) ELSE -1e15 END,
        'made_xid', p.made_xid::text::bigint, 'expired_xid', p.dropped_xid::text::bigint,
        'expired_ms', ceil(extract(epoch FROM coalesce(p.dropped_at,
          CASE WHEN p.gone_at IS NULL AND to_regclass(p.partition) IS NOT NULL THEN p.expiring_at END)) * 1000),
        'short', (
          SELECT jsonb_object_agg(i.key, (i.value->>1)::bigint - (i.value->>0)::bigint) FROM jsonb_each(p.instances) i
          WHERE (i.value->>0)::bigint < (i.value->>1)::bigint
        )) ORDER BY p.partition, p.id)
      FROM access_log_partitions p
    ) AS lives`
  return new RowsCover(row?.attached ?? [], row?.lives ?? [])
}

/** Notes, in the transaction that made or attached it, that a partition lives. `wasThere`: as a table of its own. */
export async function beginLife(tx: TransactionSql, partition: string, wasThere: boolean): Promise<void> {
  if (wasThere) {
    const { count } = await tx`
      UPDATE access_log_partitions SET expiring_at = NULL
      WHERE partition = ${partition} AND dropped_at IS NULL AND gone_at IS NULL`
    if (count > 0) return
  }
  await tx`
    UPDATE access_log_partitions SET gone_at = clock_timestamp()
    WHERE partition = ${partition} AND dropped_at IS NULL AND gone_at IS NULL`
  await tx`
    INSERT INTO access_log_partitions (partition, made_at, made_xid)
    VALUES (${partition}, CASE WHEN ${wasThere} THEN '-infinity' ELSE clock_timestamp() END,
      CASE WHEN ${wasThere} THEN '0'::xid8 ELSE pg_current_xact_id() END)`
}

/** Notes that retention is about to drop a partition. */
export async function noteExpiring(sql: Sql, partition: string): Promise<void> {
  const { count } = await sql`
    UPDATE access_log_partitions SET expiring_at = coalesce(expiring_at, clock_timestamp())
    WHERE partition = ${partition} AND dropped_at IS NULL AND gone_at IS NULL`
  if (count > 0) return
  // Made by a program that keeps no such books, or by hand.
  await sql`
    INSERT INTO access_log_partitions (partition, made_at, made_xid, expiring_at)
    VALUES (${partition}, '-infinity', '0', clock_timestamp())`
}

/** Notes what a partition had, in the transaction that drops it. */
export async function noteDropped(
  tx: TransactionSql,
  partition: string,
  drop: { readonly retentionDays: number; readonly by: string },
): Promise<void> {
  const from = new Date(dayOfPartition(partition))
  const to = new Date(from.getTime() + 86_400_000)
  await tx`
    WITH present AS (
      SELECT instance, count(*) AS n FROM ${tx(partition)} GROUP BY instance
    ), sealed AS (
      SELECT l.instance, sum(l.entries) AS touching,
        sum(l.entries - coalesce((SELECT sum(q.value::bigint) FROM jsonb_each_text(l.quarantined) q), 0))
          FILTER (WHERE l.first_started_at >= ${from} AND l.last_started_at < ${to}) AS within
      FROM access_ledger l
      WHERE l.last_started_at >= ${from} AND l.first_started_at < ${to}
        AND l.written_at >= (SELECT max(made_at) - make_interval(secs => ${BEGUN_BEFORE_MS / 1000})
          FROM access_log_partitions WHERE partition = ${partition} AND dropped_at IS NULL AND gone_at IS NULL)
      GROUP BY l.instance
    ), figures AS (
      SELECT coalesce(p.instance, s.instance) AS instance, coalesce(p.n, 0) AS n,
        coalesce(s.within, 0) AS within, coalesce(s.touching, 0) AS touching
      FROM present p FULL JOIN sealed s ON s.instance = p.instance
    )
    UPDATE access_log_partitions SET dropped_at = clock_timestamp(), dropped_xid = pg_current_xact_id(), retention_days = ${drop.retentionDays},
      dropped_by = ${drop.by} || ', as ' || session_user,
      rows = (SELECT coalesce(sum(n), 0) FROM figures),
      instances = (SELECT coalesce(jsonb_object_agg(instance, jsonb_build_array(n, within, touching)), '{}') FROM figures)
    WHERE partition = ${partition} AND dropped_at IS NULL AND gone_at IS NULL`
}

function append<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
