import type { Test } from 'tap'
import { firstDigest, type LedgerHeader, nextDigest, rowsDigest } from '../model/audit/ledger-chain.ts'
import { ENTRY_COLUMN_NAMES } from '../model/entry-columns.ts'
import type { TestDatabase } from './database.ts'

/**
 * For tests: computes the chain of an instance again from what is in the database, rows and quarantine included, and compares it
 * with the ledger. Returns the number of batches.
 */
export async function assertChain(t: Test, { sql }: TestDatabase, instance: string): Promise<number> {
  const rows = await rowTexts(sql, instance)
  const ledger = await sql`
    SELECT batch::int, first_seq::int, last_seq::int, entries, bytes::int, dropped, tenants, accepted_seq::int, is_final,
      rows_digest, digest FROM access_ledger WHERE instance = ${instance} ORDER BY batch`
  let previous = firstDigest(instance)
  let settled = 0
  for (const [i, row] of ledger.entries()) {
    const header: LedgerHeader = {
      instance,
      batch: i + 1,
      firstSeq: row['first_seq'] as number | null,
      lastSeq: row['last_seq'] as number | null,
      entries: row['entries'] as number,
      bytes: row['bytes'] as number,
      dropped: row['dropped'] as LedgerHeader['dropped'],
      tenants: row['tenants'] as LedgerHeader['tenants'],
      acceptedSeq: row['accepted_seq'] as number,
      isFinal: row['is_final'] as boolean,
    }
    const texts: string[] = []
    for (let seq = header.firstSeq ?? 1; seq <= (header.lastSeq ?? 0); seq++) {
      const text = rows.get(seq)
      if (text !== undefined) texts.push(`${text}\n`)
    }
    settled += texts.length
    const digest = rowsDigest(texts.join(''))
    previous = nextDigest(previous, header, digest)
    if (digest.equals(row['rows_digest'] as Buffer) && previous.equals(row['digest'] as Buffer)) continue
    t.fail(`the chain breaks at batch ${i + 1}`, { header })
    return ledger.length
  }
  t.equal(settled, rows.size, 'each row, stored or in quarantine, belongs to a batch')
  return ledger.length
}

async function rowTexts(sql: TestDatabase['sql'], instance: string): Promise<Map<number, string>> {
  const rows = new Map<number, string>()
  const columns = ENTRY_COLUMN_NAMES.map((name) => {
    if (name === 'started_at')
      return `to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00'`
    return name === 'client_ip' ? 'host(client_ip)' : `${name}::text`
  })
  const stored = await sql
    .unsafe(`SELECT ${columns.join(', ')} FROM access_log WHERE instance = '${instance}'`)
    .values()
  for (const values of stored) {
    const fields = (values as (string | null)[]).map((value) => (value === null ? '\\N' : escape(value)))
    rows.set(Number(fields.at(-1)), fields.join('\t'))
  }
  const quarantined = await sql`SELECT seq::int, row FROM quarantine WHERE instance = ${instance}`
  for (const row of quarantined) rows.set(row['seq'] as number, String(row['row']))
  return rows
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
}
