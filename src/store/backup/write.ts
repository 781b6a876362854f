import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { pack, type Pack } from 'tar-stream'
import { MIGRATIONS_DIR, appliedMigrations } from '../migrate.ts'
import type { Sql, TransactionSql } from '../sql.ts'
import {
  FORMAT,
  HEAD_FILE,
  PART_BYTES,
  ROWS_FILE,
  SUMS_FILE,
  Sums,
  partName,
  type BackupHead,
  type BackupRows,
  type BackupTable,
} from './format.ts'
import { backupTables, lockTables, quoted } from './tables.ts'

const LINE_FEED = 0x0a

/** What a backup has. */
export interface BackupSummary {
  readonly takenAt: string
  readonly tables: number
  readonly rows: number
}

/** A backup that is being made: its bytes, and its summary, which is there once all of them have been read. */
export interface BackupStream {
  readonly tar: AsyncIterable<Uint8Array>
  readonly summary: Promise<BackupSummary>
  /** Says that it is not read any more. */
  readonly abandon: () => void
}

/**
 * Begins a backup of the database at one moment, while others write. The caller reads `tar` to its end, or leaves its
 * loop; then, and when the database fails, `summary` rejects. Needs a handle with one connection, and long statements; it is of no other use meanwhile.
 */
export function openBackup(sql: Sql, version: string): BackupStream {
  const tar = pack()
  tar.on('error', () => {}) // whoever reads it, or waits for the summary, has it
  const summary = write(sql, tar, version)
  summary.catch((error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))))
  return { tar: tar as AsyncIterable<Uint8Array>, summary, abandon: () => tar.destroy() }
}

async function write(sql: Sql, tar: Pack, version: string): Promise<BackupSummary> {
  const migrations = await appliedMigrations(sql, MIGRATIONS_DIR)
  const lockable = await backupTables(sql, MIGRATIONS_DIR)
  const result = await sql.begin('isolation level repeatable read read only', async (tx) => {
    // Before the first look, which takes the snapshot (PostgreSQL manual, LOCK): retention drops no partition under it.
    await lockTables(tx, lockable, {
      mode: 'ACCESS SHARE',
      hint: 'a migration, or retention that drops a day; try again',
    })
    const tables = await backupTables(tx, MIGRATIONS_DIR)
    const [moment] = await tx<{ taken_at: Date; postgres: string }[]>`
      SELECT clock_timestamp() AS taken_at, current_setting('server_version') AS postgres`
    const takenAt = (moment?.taken_at ?? new Date()).toISOString()
    const archive = new Archive(tar, new Date(takenAt))
    const head: BackupHead = {
      format: FORMAT,
      version,
      takenAt,
      postgres: moment?.postgres ?? '',
      migrations,
      tables: [...tables],
    }
    await archive.add(HEAD_FILE, json(head))
    const rows: BackupRows = {}
    for (const table of tables) rows[table.name] = await copyTable(tx, table, archive)
    await archive.add(ROWS_FILE, json(rows))
    await archive.add(SUMS_FILE, Buffer.from(archive.sums.text))
    const total = Object.values(rows).reduce((sum, n) => sum + n, 0)
    return { takenAt, tables: tables.length, rows: total }
  })
  tar.finalize()
  return result
}

/** Puts a table into the archive, part by part; returns its rows. */
async function copyTable(
  tx: TransactionSql,
  { name, columns }: BackupTable,
  archive: Archive,
): Promise<number> {
  const statement = `COPY ${quoted(name)} (${columns.map(quoted).join(', ')}) TO STDOUT`
  const source: Readable = await tx.unsafe(statement).readable()
  let rows = 0
  let number = 0
  let held: Buffer[] = []
  let heldBytes = 0
  const flush = async (): Promise<void> => {
    await archive.add(partName(name, ++number), Buffer.concat(held, heldBytes))
    held = []
    heldBytes = 0
  }
  for await (const chunk of source as AsyncIterable<Buffer>) {
    // The driver hands out views of a buffer that it may go on with.
    held.push(Buffer.from(chunk))
    heldBytes += chunk.length
    rows += countLines(chunk)
    if (heldBytes >= PART_BYTES) await flush()
  }
  // postgres.js 3.4.9 pauses the connection when a row fills the stream's buffer, and goes on when more is asked for; behind the
  // last row nothing is, and the next statement would wait for ever.
  source._read(0)
  await flush() // an empty table has an empty part
  return rows
}

/** Rows of COPY text: a line feed within a value is written as `\n`. */
function countLines(chunk: Buffer): number {
  let lines = 0
  for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1)) lines++
  return lines
}

/** A tar file that is written as fast as it is read. */
class Archive {
  readonly sums = new Sums()
  readonly #tar: Pack
  readonly #mtime: Date

  constructor(tar: Pack, mtime: Date) {
    this.#tar = tar
    this.#mtime = mtime
  }

  async add(name: string, bytes: Buffer): Promise<void> {
    this.sums.add(name, createHash('sha256').update(bytes).digest('hex'))
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error | null): void => {
        this.#tar.off('close', onClose)
        if (error) reject(error)
        else resolve()
      }
      const onClose = (): void => settle(new Error('nobody reads the backup any more'))
      if (this.#tar.destroyed) return onClose()
      this.#tar.once('close', onClose)
      const file = { name, mode: 0o600, mtime: this.#mtime, size: bytes.length }
      this.#tar.entry(file, bytes, settle).on('error', () => {}) // `settle` has it, too
    })
  }
}

function json(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 1)}\n`)
}
