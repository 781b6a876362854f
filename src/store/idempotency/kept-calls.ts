import type {
  CallStore,
  KeptAnswer,
  KeptUsage,
  KnownCall,
  RepeatableCall,
} from '../../model/idempotency/kept-calls.ts'
import { digestOf, seal, unseal } from '../sealed.ts'
import type { Sql } from '../sql.ts'

/** PostgreSQL's connections of a process with a route that heeds keys. */
export const IDEMPOTENCY_CONNECTIONS = 3
/** See `seal`. */
const PURPOSE = 'waybill idempotent answer'
/** A key that is let go of between two looks is claimed anew, so often. */
const MAX_LOOKS = 3
/** Expired keys that one statement deletes. */
const MAX_DELETED = 5000
const HEAD_LENGTH = 4

/** What is kept of calls in PostgreSQL, where the primary key decides who is first. */
export class PostgresCalls implements CallStore {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** See CallStore. */
  async claim(
    call: RepeatableCall,
    claim: string,
    leaseMs: number,
  ): Promise<KnownCall | { readonly kind: 'first' }> {
    for (let look = 0; look < MAX_LOOKS; look++) {
      if (await this.#insert(call, claim, leaseMs)) return { kind: 'first' }
      const known = await this.find(call)
      if (known !== null) return known
    }
    return { kind: 'under_way' }
  }

  async #insert(call: RepeatableCall, claim: string, leaseMs: number): Promise<boolean> {
    const { tenant, route, key, fingerprint } = call
    const sql = this.#sql
    const rows = await sql`
      INSERT INTO idempotency_keys AS k (tenant, route, key_digest, request_digest, claim, until)
      VALUES (${tenant}, ${route}, ${digestOf(key)}, ${fingerprint}, ${claim}, now() + ${leaseMs} * interval '1 ms')
      ON CONFLICT (tenant, route, key_digest) DO UPDATE
      SET request_digest = excluded.request_digest, claim = excluded.claim, until = excluded.until,
        answered_at = NULL, sealed = NULL
      WHERE k.until <= now()
      RETURNING 1`
    return rows.length > 0
  }

  /** See CallStore. */
  async find({ tenant, route, key, fingerprint }: RepeatableCall): Promise<KnownCall | null> {
    const [row] = await this.#sql<{ is_same: boolean; is_answered: boolean; sealed: Buffer | null }[]>`
      SELECT request_digest = ${fingerprint} AS is_same, answered_at IS NOT NULL AS is_answered,
        CASE WHEN request_digest = ${fingerprint} THEN sealed END AS sealed
      FROM idempotency_keys
      WHERE tenant = ${tenant} AND route = ${route} AND key_digest = ${digestOf(key)} AND until > now()`
    if (row === undefined) return null
    if (!row.is_same) return { kind: 'other' }
    if (!row.is_answered) return { kind: 'under_way' }
    if (row.sealed === null) return { kind: 'unkept' }
    return { kind: 'answered', answer: unpack(unseal(row.sealed, key, PURPOSE)) }
  }

  /** See CallStore. */
  async keep(
    call: RepeatableCall,
    claim: string,
    answer: KeptAnswer | null,
    ttlMs: number,
  ): Promise<boolean> {
    const { tenant, route, key } = call
    const sealed = answer === null ? null : seal(pack(answer), key, PURPOSE)
    const rows = await this.#sql`
      UPDATE idempotency_keys
      SET answered_at = now(), until = now() + ${ttlMs} * interval '1 ms', sealed = ${sealed}
      WHERE tenant = ${tenant} AND route = ${route} AND key_digest = ${digestOf(key)} AND claim = ${claim}
      RETURNING 1`
    return rows.length > 0
  }

  /** See CallStore. */
  async release({ tenant, route, key }: RepeatableCall, claim: string): Promise<void> {
    await this.#sql`
      DELETE FROM idempotency_keys
      WHERE tenant = ${tenant} AND route = ${route} AND key_digest = ${digestOf(key)} AND claim = ${claim}
        AND answered_at IS NULL`
  }

  /** See CallStore. */
  async renew(claims: readonly string[], leaseMs: number): Promise<void> {
    await this.#sql`
      UPDATE idempotency_keys SET until = now() + ${leaseMs} * interval '1 ms'
      WHERE claim = ANY (${[...claims]}::uuid[]) AND answered_at IS NULL`
  }

  /** See CallStore. Lengths are read without the answers themselves: those lie apart, and are not compressed. */
  async usage(): Promise<KeptUsage[]> {
    return await this.#sql<KeptUsage[]>`
      SELECT tenant, count(*) AS keys, coalesce(sum(octet_length(sealed)), 0)::bigint AS bytes
      FROM idempotency_keys WHERE until > now() GROUP BY tenant`
  }
}

/** Deletes what is over, of all routes; returns how many. Any number of processes may call it at once. */
export async function dropExpiredCalls(sql: Sql): Promise<number> {
  let dropped = 0
  for (;;) {
    const { count } = await sql`
      DELETE FROM idempotency_keys WHERE (tenant, route, key_digest) IN (
        SELECT tenant, route, key_digest FROM idempotency_keys WHERE until < now() - interval '1 minute'
        ORDER BY until LIMIT ${MAX_DELETED} FOR UPDATE SKIP LOCKED)`
    dropped += count
    if (count < MAX_DELETED) return dropped
  }
}

/** The head's length, the head in JSON, the body. */
function pack({ status, fields, body }: KeptAnswer): Buffer {
  const head = Buffer.from(JSON.stringify({ status, fields }))
  const length = Buffer.alloc(HEAD_LENGTH)
  length.writeUInt32BE(head.length)
  return Buffer.concat([length, head, body])
}

function unpack(bytes: Buffer): KeptAnswer {
  const end = HEAD_LENGTH + bytes.readUInt32BE()
  const head = JSON.parse(bytes.toString('utf8', HEAD_LENGTH, end)) as Omit<KeptAnswer, 'body'>
  return { ...head, body: bytes.subarray(end) }
}
