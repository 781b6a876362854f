import { randomUUID } from 'node:crypto'
import { readCopyRow } from '../model/copy-text.ts'
import { ENTRY_COLUMNS } from '../model/entry-columns.ts'
import { firstDigest, nextDigest, rowsDigest, type TenantDrops } from '../model/audit/ledger-chain.ts'
import type { Sql } from '../store/sql.ts'

/** For tests: an entry as far as the store cares. */
export interface TestEntry {
  readonly tenant: string
  readonly startedAt: Date
  readonly route?: string
  readonly status?: number
  /** 'forwarded' unless told. */
  readonly outcome?: string
  readonly upstream?: string
  readonly bytes?: number
  readonly durationUs?: number
  readonly path?: string
  /** Makes its row one of the second form, with this package of npm; with a rule one of the third. */
  readonly package?: string
  readonly rule?: string
}

/** For tests: a batch that was sealed, with the text of its rows. */
export interface SealedBatch {
  readonly number: number
  readonly rows: readonly { readonly seq: number; readonly entry: TestEntry; readonly text: string }[]
  readonly columns: Readonly<Record<string, unknown>>
}

/**
 * For tests: resolves when every transaction of the server that began before the last stored batch has ended: those of other
 * databases hold the roll-ups' horizon back, too.
 */
export async function untilSettled(sql: Sql): Promise<void> {
  for (;;) {
    const [row] = await sql<{ settled: boolean }[]>`
      SELECT coalesce(pg_snapshot_xmin(pg_current_snapshot()) > max(written_xid), true) AS settled FROM access_ledger`
    if (row?.settled === true) return
  }
}

/** For tests: the writer's side of the ledger, without its machinery: seals batches, and stores them when told. */
export class TestInstance {
  readonly id: string
  readonly #sql: Sql
  #batch = 0
  #seq = 0
  #digest: Buffer

  constructor(sql: Sql, id: string = randomUUID()) {
    this.#sql = sql
    this.id = id
    this.#digest = firstDigest(id)
  }

  get acceptedSeq(): number {
    return this.#seq
  }

  /** Seals entries as the next batch. `encode` makes the COPY text of one, its newline included. */
  seal(
    entries: readonly TestEntry[],
    options: {
      readonly dropped?: TenantDrops
      readonly buffered?: number
      readonly isFinal?: boolean
      readonly withMinutes?: boolean
      readonly encode?: (entry: TestEntry, seq: number) => string
    } = {},
  ): SealedBatch {
    const { dropped = null, buffered = 0, isFinal = false, withMinutes = true } = options
    const encode = options.encode ?? ((entry, seq) => copyText(this.id, seq, entry))
    const rows = entries.map((entry) => {
      const seq = ++this.#seq
      return { seq, entry, text: encode(entry, seq) }
    })
    for (const reasons of Object.values(dropped ?? {})) for (const n of Object.values(reasons)) this.#seq += n
    const body = rows.map((row) => row.text).join('')
    const times = entries.map((entry) => entry.startedAt.getTime())
    const tenants: Record<string, number> = {}
    for (const { tenant } of entries) tenants[tenant] = (tenants[tenant] ?? 0) + 1
    const header = {
      instance: this.id,
      batch: ++this.#batch,
      firstSeq: rows[0]?.seq ?? null,
      lastSeq: rows.at(-1)?.seq ?? null,
      entries: rows.length,
      bytes: Buffer.byteLength(body),
      dropped,
      tenants,
      acceptedSeq: this.#seq + buffered,
      isFinal,
    }
    const digest = rowsDigest(body)
    this.#digest = nextDigest(this.#digest, header, digest)
    const columns = {
      instance: this.id,
      batch: header.batch,
      first_seq: header.firstSeq,
      last_seq: header.lastSeq,
      entries: header.entries,
      bytes: header.bytes,
      first_started_at: times.length === 0 ? null : new Date(Math.min(...times)),
      last_started_at: times.length === 0 ? null : new Date(Math.max(...times)),
      dropped: dropped as object | null,
      tenants: tenants as object,
      accepted_seq: header.acceptedSeq,
      buffered,
      is_final: isFinal,
      minutes: withMinutes ? [...new Set(times.map((ms) => Math.floor(ms / 60_000)))] : null,
      rows_digest: digest,
      digest: this.#digest,
    }
    return { number: header.batch, rows, columns }
  }

  /** Stores a sealed batch in one transaction; rows of `quarantine`, by index, go there instead. */
  async store(batch: SealedBatch, quarantine: readonly number[] = []): Promise<void> {
    const cut = batch.rows.filter((_, i) => quarantine.includes(i))
    const quarantined: Record<string, number> = {}
    for (const { entry } of cut) quarantined[entry.tenant] = (quarantined[entry.tenant] ?? 0) + 1
    const ledger = {
      ...batch.columns,
      quarantined: cut.length === 0 ? null : (quarantined as object),
    }
    await this.#sql.begin(async (tx) => {
      const { dropped, tenants, quarantined: refused, minutes, ...plain } = ledger as Record<string, unknown>
      await tx`
        INSERT INTO access_ledger ${tx(plain as Record<string, string>)}`
      await tx`
        UPDATE access_ledger SET dropped = ${json(dropped)}::text::jsonb, tenants = ${json(tenants)}::text::jsonb,
          quarantined = ${json(refused)}::text::jsonb, minutes = ${(minutes ?? null) as number[] | null}::bigint[]
        WHERE instance = ${this.id} AND batch = ${batch.number}`
      for (const { entry, seq, text } of cut) {
        await tx`
          INSERT INTO quarantine (instance, seq, tenant, code, detail, row)
          VALUES (${this.id}, ${seq}, ${entry.tenant}, '22021', 'refused for the test', ${Buffer.from(text.slice(0, -1))})`
      }
      const kept = batch.rows.filter((_, i) => !quarantine.includes(i))
      for (let i = 0; i < kept.length; i += 1000) {
        const fields = kept.slice(i, i + 1000).map(({ text }) => readCopyRow(Buffer.from(text)))
        // Rows of the first form: into a schema of before as well.
        const named = ENTRY_COLUMNS.filter(({ name }) => fields[0]?.has(name) === true)
        const columns = named.map(({ name }) => fields.map((row) => row?.get(name) ?? null))
        const arrays = named.map(({ type }, n) => `$${n + 1}::text[]::${type}[]`)
        await tx.unsafe(
          `INSERT INTO access_log (${named.map(({ name }) => name).join(', ')})
           SELECT * FROM unnest(${arrays.join(', ')})`,
          columns,
        )
      }
    })
  }
}

function json(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value)
}

function copyText(instance: string, seq: number, entry: TestEntry): string {
  const time = entry.startedAt.toISOString().replace('T', ' ').replace('Z', '+00')
  const orNull = (text: string): string => (text === '' ? '\\N' : text)
  const { bytes = 1, durationUs = 1000, status = 200 } = entry
  return `${[
    randomUUID(),
    time,
    orNull(entry.tenant),
    '\\N',
    orNull(entry.route ?? 'npm'),
    'npm',
    'GET',
    'h',
    entry.path ?? '/',
    status,
    entry.outcome ?? 'forwarded',
    '\\N',
    bytes,
    bytes,
    durationUs,
    '\\N',
    orNull(entry.upstream ?? ''),
    '10.0.0.1',
    ...Array.from({ length: 3 }, () => '\\N'),
    ...(entry.package === undefined
      ? ['\\N', '\\N', '\\N']
      : ['npm', entry.package, '1.3.0', 'artifact', '\\N', '\\N']),
    ...(entry.rule === undefined ? [] : [entry.rule, 'warn', '\\N']),
    instance,
    seq,
  ].join('\t')}\n`
}
