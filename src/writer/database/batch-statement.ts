import { ENTRY_COLUMN_NAMES } from '../../model/entry-columns.ts'
import { type Batch, quarantinedByTenant } from '../batch/batch.ts'
import { storableText } from '../batch/encode.ts'
import { storableCounts, storableDrops } from '../batch/storable-counts.ts'

const LEDGER_COLUMNS =
  'instance, batch, first_seq, last_seq, entries, bytes, first_started_at, last_started_at, dropped, tenants, ' +
  'accepted_seq, buffered, quarantined, minutes, rows_digest, digest, is_final'

/** What the rows of a batch are sent to. */
export const COPY_STATEMENT = `COPY access_log (${ENTRY_COLUMN_NAMES.join(', ')}) FROM STDIN`

/**
 * All that stores the batches, as one text, for a simple query has no parameters: ledger rows, rows in quarantine, COPY. The
 * ledger first: a batch that is stored already is refused before anything else is looked at.
 */
export function batchStatement(batches: readonly Batch[]): string {
  const quarantined = batches.flatMap((batch) => quarantineRows(batch))
  const quarantine =
    quarantined.length === 0
      ? ''
      : `INSERT INTO quarantine (instance, seq, tenant, code, detail, row) VALUES ${quarantined.join(', ')}; `
  const ledger = `INSERT INTO access_ledger (${LEDGER_COLUMNS}) VALUES ${batches.map(ledgerRow).join(', ')}; `
  return `EXECUTE waybill_begin_count; ${ledger}${quarantine}${COPY_STATEMENT}; ${countStatement(batches)}`
}

/** Rows inserted into partitions, by this transaction and by others of the session that the server has not summed up yet. */
const INSERTED = `(SELECT coalesce(sum(pg_stat_get_xact_tuples_inserted(inhrelid)), 0)
  FROM pg_inherits WHERE inhparent = to_regclass('access_log'))`

/**
 * What a session needs before its first batch. The count fails, and with it all of the transaction, when Postgres has inserted fewer rows
 * than were sent: a BEFORE trigger that returns NULL skips a row without a word. Told by the session's own statistics, so the rows are
 * not read again, and there is no round trip more. A server without `track_counts` is believed. Prepared, as they are planned for as
 * long as they run: 5 µs a batch for each, not 27. A pooler may hand on a session in which a gateway before has done so.
 */
export const PREPARE_COUNT = `DEALLOCATE ALL; PREPARE waybill_begin_count AS
    SELECT set_config('waybill.inserted', ${INSERTED}::text, true);
  PREPARE waybill_end_count (bigint) AS SELECT 1 / CASE WHEN current_setting('track_counts')::boolean
    AND ${INSERTED} - current_setting('waybill.inserted')::numeric < $1 THEN 0 ELSE 1 END`

function countStatement(batches: readonly Batch[]): string {
  const sent = batches.reduce((sum, { entries }) => sum + entries, 0)
  return `EXECUTE waybill_end_count (${sent})`
}

/** Whether the error is that of the count: a division by zero in no function, trigger or COPY. */
export function isOfCount(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, where } = error as { readonly code?: unknown; readonly where?: unknown }
  return code === '22012' && where === undefined
}

function ledgerRow(batch: Batch): string {
  const { range } = batch
  const quarantined = quarantinedByTenant(batch)
  const values = [
    literal(batch.instance),
    batch.number,
    range?.firstSeq ?? 'NULL',
    range?.lastSeq ?? 'NULL',
    // As sealed, like the digests: those in quarantine included.
    batch.entries + batch.quarantined.length,
    batch.sealedBytes,
    range ? literal(new Date(range.firstStartedAtMs).toISOString()) : 'NULL',
    range ? literal(new Date(range.lastStartedAtMs).toISOString()) : 'NULL',
    json(storableDrops(batch.dropped)),
    json(storableCounts([...batch.tenants, ...quarantined])),
    batch.acceptedSeq,
    batch.buffered,
    quarantined.size === 0 ? 'NULL' : json(storableCounts(quarantined)),
    `'{${batch.minutes.join(',')}}'`,
    bytea(batch.rowsDigest),
    bytea(batch.digest),
    batch.isFinal,
  ]
  return `(${values.join(', ')})`
}

function quarantineRows(batch: Batch): string[] {
  return batch.quarantined.map(({ tenant, seq, code, detail, text }) => {
    const texts = [batch.instance, tenant, code, detail].map((value) => literal(storableText(value)))
    const [instance, ...others] = texts
    return `(${instance}, ${seq}, ${others.join(', ')}, ${bytea(Buffer.from(text))})`
  })
}

function json(value: object | null): string {
  return value === null ? 'NULL' : literal(JSON.stringify(value))
}

/** A string constant that means the same whatever standard_conforming_strings is (PostgreSQL manual §4.1.2). */
function literal(text: string): string {
  const quoted = text.replaceAll("'", "''")
  return quoted.includes('\\') ? ` E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`
}

function bytea(bytes: Buffer): string {
  return ` E'\\\\x${bytes.toString('hex')}'`
}
