import { randomUUID } from 'node:crypto'
import { ENTRY_COLUMNS, type EntryRow } from '../../model/entry-columns.ts'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import type { Sql } from '../../store/sql.ts'
import { TestInstance } from '../ledger.ts'

const DAY_MS = 86_400_000

/** For tests: stores rows of the access log, batch by batch, as a gateway's writer does. */
export class TestRows {
  readonly #instance: TestInstance

  private constructor(sql: Sql) {
    this.#instance = new TestInstance(sql)
  }

  /** Makes the partitions of today and the two days around. */
  static async open(sql: Sql): Promise<TestRows> {
    await ensurePartitions(sql, new Date(Date.now() - DAY_MS), 3)
    return new TestRows(sql)
  }

  /** Stores rows as one batch, and returns their ids. What is left out is as in a request that was forwarded just now. */
  async store(rows: readonly Partial<EntryRow>[]): Promise<string[]> {
    const full = rows.map((row) => ({ ...plainRow(), ...row }))
    const byStart = full.map((row) => ({ tenant: row.tenant ?? '', startedAt: row.started_at }))
    let at = 0
    const batch = this.#instance.seal(byStart, {
      encode: (_, seq) => copyText({ ...full[at++], seq, instance: this.#instance.id }),
    })
    await this.#instance.store(batch)
    return full.map(({ id }) => id)
  }
}

function plainRow() {
  return {
    id: randomUUID() as string,
    started_at: new Date(),
    tenant: 'acme' as string | null,
    route: 'npm',
    kind: 'npm',
    method: 'GET',
    path: '/',
    status: 200,
    outcome: 'forwarded',
    bytes_received: 1,
    bytes_sent: 2,
    duration_us: 1000,
    client_ip: '10.0.0.1',
    artifact_kind: 'other',
    rule_action: 'none',
  }
}

function copyText(row: Partial<EntryRow>): string {
  const field = (value: string | number | Date | null | undefined): string => {
    if (value === undefined || value === null) return '\\N'
    return value instanceof Date ? value.toISOString().replace('T', ' ').replace('Z', '+00') : String(value)
  }
  return `${ENTRY_COLUMNS.map(({ name }) => field(row[name])).join('\t')}\n`
}
