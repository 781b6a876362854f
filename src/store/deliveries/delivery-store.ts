import { createHash } from 'node:crypto'
import type {
  Asked,
  DeliveryStore,
  Depth,
  Lease,
  Letter,
  Result,
  Stored,
  StoredParcel,
  WorkItem,
} from '../../deliveries/delivery-store.ts'
import type { ParcelHead } from '../../model/delivery/parcel.ts'
import { closeSql, type Sql, sqlStateOf } from '../sql.ts'

/** A row for a day without a partition (PostgreSQL manual, appendix A: check_violation). */
const NO_PARTITION = '23514'
/** PostgreSQL's connections of a process that keeps and delivers. */
export const DELIVERY_CONNECTIONS = 3
const CLOSE_MS = 1000
/** Advisory lock that all share who note results, which lock rows in any order; alone has it who drops some of the same. */
export const SETTLING_LOCK = 9_299_462

/** What is kept in PostgreSQL, by the process that accepts and delivers. The handle is its own. */
export class PostgresDeliveries implements DeliveryStore {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** See DeliveryStore. */
  async keep(parcels: readonly StoredParcel[]): Promise<Stored> {
    try {
      return await this.#keep(parcels)
    } catch (error) {
      if (sqlStateOf(error) !== NO_PARTITION) throw error
      const oldestMs = parcels.reduce((least, { receivedAtMs }) => Math.min(least, receivedAtMs), Infinity)
      await this.#sql`SELECT delivery_partitions(${new Date(oldestMs)})`
      return await this.#keep(parcels)
    }
  }

  async #keep(parcels: readonly StoredParcel[]): Promise<Stored> {
    const firsts = new Map<string, StoredParcel>()
    const seconds: StoredParcel[] = []
    for (const parcel of parcels) {
      const { tenant, route, senderKey } = parcel
      const key = senderKey === null ? parcel.id : JSON.stringify([tenant, route, senderKey])
      const first = firsts.get(key)
      if (first === undefined) firsts.set(key, parcel)
      else if (first.id !== parcel.id) seconds.push(parcel)
    }
    const given = [...firsts.values()]
    const kept = await this.#insert(given)
    const isNew = new Set(kept.map(({ id }) => id))
    const stored = new Map<string, string | null>(kept.map(({ id }) => [id, null]))
    const duplicates = [...given.filter(({ id }) => !isNew.has(id)), ...seconds]
    if (duplicates.length > 0) for (const [id, first] of await this.#note(duplicates)) stored.set(id, first)
    return stored
  }

  /** Those that are the first of their kind. The keys are taken in one order by all, so that no two wait for each other. */
  async #insert(parcels: readonly StoredParcel[]): Promise<readonly { id: string }[]> {
    return await this.#sql<{ id: string }[]>`
      WITH p AS MATERIALIZED (
        SELECT * FROM json_to_recordset(${rowsOf(parcels)}::text::json) AS p (
          n integer, id uuid, received_at timestamptz, tenant text, route text, lane text, coalesce_by text,
          sender_key text, key text, dedupe_ms bigint, request_id text, trace_id text, body_bytes bigint,
          head text, packing text, body text)
      ), keyed AS (
        INSERT INTO delivery_keys AS k (tenant, route, key, id, expires_at)
        SELECT tenant, route, decode(key, 'hex'), id, now() + dedupe_ms * interval '1 ms' FROM p WHERE key IS NOT NULL
        ORDER BY tenant, route, key
        ON CONFLICT (tenant, route, key) DO UPDATE SET id = excluded.id, expires_at = excluded.expires_at
          WHERE k.expires_at < now() OR k.id = excluded.id
        RETURNING id
      ), fresh AS MATERIALIZED (
        SELECT * FROM p WHERE key IS NULL OR id IN (SELECT id FROM keyed)
      ), d AS (
        INSERT INTO deliveries (id, received_at, tenant, route, state, lane, sender_key, request_id, trace_id, body_bytes)
        SELECT id, received_at, tenant, route, 'waiting', lane, sender_key, request_id, trace_id, body_bytes FROM fresh
        ON CONFLICT DO NOTHING RETURNING id
      ), b AS (
        INSERT INTO delivery_bodies (id, received_at, head, packing, body)
        SELECT id, received_at, head, packing, decode(body, 'base64') FROM fresh WHERE id IN (SELECT id FROM d)
      ), w AS (
        INSERT INTO delivery_work (id, received_at, tenant, route, lane, coalesce_by, body_bytes)
        SELECT id, received_at, tenant, route, lane, coalesce_by, body_bytes FROM fresh WHERE id IN (SELECT id FROM d)
        ORDER BY n
      )
      SELECT id FROM fresh`
  }

  /** Finds the first of each kind; of those whose senders were promised a delivery it is noted that there is one of before. */
  async #note(parcels: readonly StoredParcel[]): Promise<Map<string, string>> {
    const rows = await this.#sql<{ id: string; first: string }[]>`
      WITH p AS MATERIALIZED (
        SELECT p.*, k.id AS first FROM json_to_recordset(${rowsOf(parcels)}::text::json) AS p (
          id uuid, received_at timestamptz, tenant text, route text, lane text, sender_key text, key text,
          request_id text, trace_id text, body_bytes bigint, is_promised boolean)
        JOIN delivery_keys k ON k.tenant = p.tenant AND k.route = p.route AND k.key = decode(p.key, 'hex')
      ), d AS (
        INSERT INTO deliveries (id, received_at, tenant, route, state, ended_at, lane, sender_key, into_id, request_id, trace_id, body_bytes)
        SELECT id, received_at, tenant, route, 'duplicate', now(), lane, sender_key, first, request_id, trace_id, body_bytes
        FROM p WHERE is_promised AND id <> first
        ON CONFLICT DO NOTHING
      )
      SELECT id, first FROM p`
    return new Map(rows.map(({ id, first }) => [id, first]))
  }

  /** See DeliveryStore. */
  async beat(member: string, routes: readonly string[], leaseMs: number): Promise<Lease[]> {
    const rows = await this.#sql<{ route: string; epoch: number; is_surplus: boolean }[]>`
      SELECT * FROM delivery_beat(${member}, ${[...routes]}::text[], ${leaseMs} * interval '1 ms')`
    return rows.map(({ route, epoch, is_surplus: isSurplus }) => ({ route, epoch, isSurplus }))
  }

  /** See DeliveryStore. */
  async release(member: string, routes: readonly string[]): Promise<void> {
    await this.#sql`
      UPDATE delivery_routes SET owner = NULL, lease_until = '-infinity'
      WHERE owner = ${member} AND route = ANY (${[...routes]}::text[])`
  }

  /** This process delivers no more. */
  async leave(member: string): Promise<void> {
    await this.#sql`
      WITH gone AS (DELETE FROM delivery_members WHERE id = ${member})
      UPDATE delivery_routes SET owner = NULL, lease_until = '-infinity' WHERE owner = ${member}`
  }

  /** See DeliveryStore. */
  async waiting(asked: readonly Asked[]): Promise<{ readonly route: string; readonly item: WorkItem }[]> {
    // Numbers are of all routes. A list for each would be looked through for each row: what stands alone is hashed.
    const known = asked.flatMap(({ known: seqs }) => seqs)
    const routes = asked.map(({ route, afterSeq, lanes, limit }) => ({ route, afterSeq, lanes, limit }))
    const rows = await this.#sql<WaitingRow[]>`
      SELECT w.*, r.route FROM json_to_recordset(${JSON.stringify(routes)}::text::json)
        AS r (route text, "afterSeq" bigint, lanes text[], "limit" integer)
      CROSS JOIN LATERAL (
        SELECT seq, id, (extract(epoch FROM received_at) * 1000)::bigint AS received_at_ms, tenant, lane, coalesce_by, body_bytes, attempts,
          coalesce(extract(epoch FROM next_at - now()) * 1000, 0)::float8 AS due_in_ms,
          (extract(epoch FROM now() - received_at) * 1000)::float8 AS age_ms
        FROM delivery_work w
        WHERE w.route = r.route AND NOT w.is_dead AND w.seq > r."afterSeq"
          AND w.seq NOT IN (SELECT unnest(${known}::bigint[])) AND w.lane <> ALL (r.lanes)
          AND (w.lane <> '' OR w.next_at IS NULL OR w.next_at < now() + interval '30 s')
        ORDER BY w.seq LIMIT r."limit") w
      ORDER BY w.seq`
    return rows.map((row) => ({
      route: row.route,
      item: {
        seq: row.seq,
        id: row.id,
        receivedAtMs: row.received_at_ms,
        tenant: row.tenant,
        lane: row.lane,
        coalesceBy: row.coalesce_by,
        bodyBytes: row.body_bytes,
        attempts: row.attempts,
        dueInMs: row.due_in_ms,
        ageMs: row.age_ms,
      },
    }))
  }

  /** See DeliveryStore. */
  async letters(items: readonly Pick<WorkItem, 'id' | 'receivedAtMs'>[]): Promise<Letter[]> {
    const rows = await this.#sql<
      { id: string; head: string; packing: string; body: Buffer; trace_id: string | null }[]
    >`
      SELECT b.id, b.head, b.packing, b.body, d.trace_id
      FROM unnest(${items.map(({ id }) => id)}::uuid[], ${items.map(({ receivedAtMs }) => new Date(receivedAtMs).toISOString())}::text[]::timestamptz[]) i (id, received_at)
      JOIN delivery_bodies b USING (received_at, id) JOIN deliveries d USING (received_at, id)
      WHERE d.state = 'waiting'`
    return rows.map(({ id, head, packing, body, trace_id }) => ({
      id,
      head: JSON.parse(head) as ParcelHead,
      traceId: trace_id ?? '',
      packed: { packing, bytes: body },
    }))
  }

  /** See DeliveryStore. */
  async settle(member: string, results: readonly Result[]): Promise<ReadonlySet<number>> {
    const rows = await this.#sql<{ seq: number }[]>`
      WITH l AS MATERIALIZED (
        SELECT pg_advisory_xact_lock_shared(${SETTLING_LOCK})
      ), r AS MATERIALIZED (
        SELECT r.* FROM l, json_to_recordset(${JSON.stringify(results.map(resultRow))}::text::json) AS r (
          route text, epoch bigint, seq bigint, id uuid, received_at timestamptz, state text, attempts integer,
          delay_ms float8, status smallint, reason text, into_id uuid)
        JOIN (SELECT route, epoch FROM delivery_routes WHERE owner = ${member} FOR SHARE) o USING (route, epoch)
      ), gone AS (
        DELETE FROM delivery_work w USING r WHERE w.seq = r.seq AND w.id = r.id AND r.state IN ('delivered', 'coalesced')
      ), kept AS (
        UPDATE delivery_work w SET attempts = r.attempts, last_status = r.status, last_reason = r.reason,
          is_dead = r.state = 'dead', next_at = CASE WHEN r.state = 'waiting' THEN now() + r.delay_ms * interval '1 ms' END
        FROM r WHERE w.seq = r.seq AND w.id = r.id AND r.state IN ('waiting', 'dead') AND NOT w.is_dead
      ), ended AS (
        UPDATE deliveries d SET state = r.state, ended_at = now(), attempts = r.attempts, last_status = r.status,
          last_reason = r.reason, into_id = r.into_id
        FROM r WHERE d.received_at = r.received_at AND d.id = r.id AND d.state = 'waiting' AND r.state <> 'waiting'
      )
      SELECT seq FROM r`
    return new Set(rows.map(({ seq }) => seq))
  }

  /** See DeliveryStore. */
  async depths(): Promise<Depth[]> {
    const rows = await this.#sql<
      { tenant: string; waiting: number; dead: number; bytes: number; oldest_ms: number }[]
    >`
      SELECT tenant, count(*) FILTER (WHERE NOT is_dead) AS waiting, count(*) FILTER (WHERE is_dead) AS dead,
        coalesce(sum(body_bytes), 0)::bigint AS bytes,
        coalesce(extract(epoch FROM now() - min(received_at) FILTER (WHERE NOT is_dead)) * 1000, 0)::float8 AS oldest_ms
      FROM delivery_work GROUP BY tenant`
    return rows.map(({ tenant, waiting, dead, bytes, oldest_ms: oldestMs }) => ({
      tenant,
      waiting,
      dead,
      bytes,
      oldestMs,
    }))
  }

  /** Makes partitions of these days, drops those beyond what is kept, and forgets what is no duplicate's first any more. */
  async upkeep(keepDays: number): Promise<void> {
    await this.#sql`SELECT delivery_partitions(now())`
    if (keepDays > 0) await this.#sql`SELECT delivery_retention(now() - ${keepDays} * interval '1 day')`
    await this.#sql`DELETE FROM delivery_keys WHERE expires_at < now() - interval '1 minute'`
  }

  /** Ends all use of it. */
  async close(): Promise<void> {
    await closeSql(this.#sql, CLOSE_MS)
  }
}

interface WaitingRow {
  readonly route: string
  readonly seq: number
  readonly id: string
  readonly received_at_ms: number
  readonly tenant: string
  readonly lane: string
  readonly coalesce_by: string
  readonly body_bytes: number
  readonly attempts: number
  readonly due_in_ms: number
  readonly age_ms: number
}

/** One JSON for all rows: a parameter for each value would be thousands. */
function rowsOf(parcels: readonly StoredParcel[]): string {
  return JSON.stringify(
    parcels.map((parcel, n) => ({
      n,
      id: parcel.id,
      received_at: new Date(parcel.receivedAtMs),
      tenant: parcel.tenant,
      route: parcel.route,
      lane: parcel.lane,
      coalesce_by: parcel.coalesceBy,
      sender_key: parcel.senderKey,
      key: parcel.senderKey === null ? null : keyDigest(parcel.senderKey),
      dedupe_ms: parcel.dedupeMs,
      request_id: parcel.requestId,
      trace_id: parcel.traceId,
      body_bytes: parcel.bodyBytes,
      head: JSON.stringify(parcel.head),
      packing: parcel.packed.packing,
      body: parcel.packed.bytes.toString('base64'),
      is_promised: parcel.isPromised,
    })),
  )
}

function resultRow(result: Result): object {
  return {
    route: result.route,
    epoch: result.epoch,
    seq: result.seq,
    id: result.id,
    received_at: new Date(result.receivedAtMs),
    state: result.state,
    attempts: result.attempts,
    delay_ms: result.delayMs,
    status: result.status,
    reason: result.reason,
    into_id: result.intoId,
  }
}

function keyDigest(senderKey: string): string {
  return createHash('sha256').update(senderKey).digest('hex')
}
