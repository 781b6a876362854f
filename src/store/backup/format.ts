import { createHash } from 'node:crypto'
import { z } from 'zod'

/*
 * A backup is a tar file (POSIX.1-2001, pax), so that it can be read without Waybill:
 *
 *   waybill-backup.json             what it is: format, version, migrations, tables with their columns
 *   data/<table>/<number>.copy      COPY text (PostgreSQL manual, COPY, "Text Format"), tables and parts in the order in which they
 *     …                             are restored; a part ends anywhere, the parts of a table one after the other are the table
 *   rows.json                       how many rows each table has
 *   SHA256SUMS                      of every file before, as `sha256sum -c` reads it; without this last one a backup is not whole
 */

/** Number of the format; another one means that files of it cannot be read by programs that know only this one. */
export const FORMAT = 1

export const HEAD_FILE = 'waybill-backup.json'
export const ROWS_FILE = 'rows.json'
export const SUMS_FILE = 'SHA256SUMS'

/** Bytes of a part: held in memory, as a tar file tells the length of a file before it. */
export const PART_BYTES = 4 * 1024 * 1024

const NAME = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/)

const HEAD = z.object({
  format: z.number(),
  /** Of the program that made it. */
  version: z.string(),
  /** When its snapshot was taken, by the database's clock; RFC 3339. */
  takenAt: z.iso.datetime(),
  postgres: z.string(),
  /** What had been run on the database. */
  migrations: z.array(z.object({ name: z.string(), sha256: z.string() })),
  tables: z.array(z.object({ name: NAME, columns: z.array(NAME) })),
})

const ROWS = z.record(NAME, z.number().int().nonnegative())

/** What a backup says of itself. */
export type BackupHead = z.infer<typeof HEAD>

/** A table or partition, and its columns in the order of the data. */
export type BackupTable = BackupHead['tables'][number]

/** Rows by table. */
export type BackupRows = z.infer<typeof ROWS>

/** Why a file cannot be restored. The message is for the operator. */
export class BackupError extends Error {
  readonly code = 'WAYBILL_BACKUP'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BackupError'
  }
}

/** Reads the first file. Throws a BackupError for what is none, or is of a later format. */
export function readHead(text: string): BackupHead {
  const value = parse(text)
  const format = z.object({ format: z.number() }).safeParse(value)
  if (format.success && format.data.format !== FORMAT) {
    throw new BackupError(
      `this backup has format ${format.data.format}, and this program reads ${FORMAT}: restore it with the version of Waybill that made it, or a later one`,
    )
  }
  const head = HEAD.safeParse(value)
  if (!head.success) throw damaged(`${HEAD_FILE} is not as it was written`)
  return head.data
}

/** Reads the row counts. Throws a BackupError. */
export function readRows(text: string): BackupRows {
  const rows = ROWS.safeParse(parse(text))
  if (!rows.success) throw damaged(`${ROWS_FILE} is not as it was written`)
  return rows.data
}

export function partName(table: string, number: number): string {
  return `data/${table}/${String(number).padStart(6, '0')}.copy`
}

/** The table of a part's name; null for another file. */
export function tableOfPart(name: string): string | null {
  return /^data\/([a-z0-9_]{1,63})\/\d{6,}\.copy$/.exec(name)?.[1] ?? null
}

/** A file that has changed since it was made, or is cut. */
export function damaged(what: string, cause?: unknown): BackupError {
  return new BackupError(`the backup is damaged: ${what}; nothing was restored, use another copy of it`, {
    cause,
  })
}

/** The digests of the files of a backup, one after the other. */
export class Sums {
  readonly #lines: string[] = []

  add(name: string, digest: string): void {
    this.#lines.push(`${digest}  ${name}\n`)
  }

  addBytes(name: string, bytes: Uint8Array): void {
    this.add(name, createHash('sha256').update(bytes).digest('hex'))
  }

  /** As the last file has it. */
  get text(): string {
    return this.#lines.join('')
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
