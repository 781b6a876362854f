import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { extract, type Extract } from 'tar-stream'
import {
  BackupError,
  HEAD_FILE,
  ROWS_FILE,
  SUMS_FILE,
  Sums,
  damaged,
  readHead,
  readRows,
  tableOfPart,
  type BackupHead,
  type BackupRows,
} from './format.ts'

type Entry = Extract extends AsyncIterable<infer E> ? E : never

/** Longest file beside the data: the sums of a terabyte. */
const MAX_TEXT_BYTES = 64 * 1024 * 1024

/** What becomes of the data of one table. */
export interface TableSink {
  write(chunk: Buffer): Promise<void>
  end(): Promise<void>
  /** Lets go of what was written. Harmless after an end. */
  abort(): void
}

/**
 * Reads a backup from its first byte to its last: the head first, then the data of each table into what `sinkOf` gives, and compares
 * everything with its digest. Returns the rows that each table has to have. Rejects with a BackupError for what is no backup, or is
 * cut or changed; what was written to sinks by then is to be thrown away.
 */
export class BackupReader {
  readonly #files: Extract
  readonly #entries: AsyncIterator<Entry>
  readonly #sums = new Sums()

  constructor(source: Readable) {
    this.#files = extract()
    feed(source, this.#files).catch((error: unknown) => this.#files.destroy(error as Error))
    this.#entries = this.#files[Symbol.asyncIterator]()
  }

  /** To be called first. */
  async head(): Promise<BackupHead> {
    const entry = await this.#next()
    if (entry?.header.name !== HEAD_FILE) {
      entry?.resume()
      throw new BackupError(
        'this is no backup that Waybill has made: a tar file that begins with waybill-backup.json',
      )
    }
    return readHead(await this.#text(entry))
  }

  /** To be called second, and last. */
  async data({ tables }: BackupHead, sinkOf: (table: string) => Promise<TableSink>): Promise<BackupRows> {
    const open: { sink: TableSink | null } = { sink: null }
    try {
      return await this.#data(
        tables.map(({ name }) => name),
        async (table) => (open.sink = await sinkOf(table)),
      )
    } catch (error) {
      open.sink?.abort()
      throw error
    }
  }

  async #data(due: string[], sinkOf: (table: string) => Promise<TableSink>): Promise<BackupRows> {
    let sink: TableSink | null = null
    let current: string | null = null
    for (let entry = await this.#next(); entry !== null; entry = await this.#next()) {
      const { name } = entry.header
      const table = tableOfPart(name)
      if (table === null) {
        await sink?.end()
        if (name !== ROWS_FILE || due.length > 0)
          throw damaged(`it has ${shown(name)} in the place of its data`)
        return await this.#finish(entry)
      }
      if (table !== current) {
        await sink?.end()
        if (due.shift() !== table) throw damaged(`${shown(name)} is not where it was`)
        sink = await sinkOf(table)
        current = table
      }
      const digest = createHash('sha256')
      for await (const chunk of this.#bytes(entry)) {
        digest.update(chunk)
        await sink?.write(chunk)
      }
      this.#sums.add(name, digest.digest('hex'))
    }
    throw damaged(NO_END)
  }

  async #finish(entry: Entry): Promise<BackupRows> {
    const rows = readRows(await this.#text(entry))
    const last = await this.#next()
    if (last?.header.name !== SUMS_FILE) throw damaged(NO_END)
    const expected = this.#sums.text
    const found = await this.#text(last)
    if (found !== expected) throw damaged(`${differing(found, expected)} is not as it was written`)
    if ((await this.#next()) !== null) throw damaged('something follows its end')
    return rows
  }

  /** Lets go of the source. */
  destroy(): void {
    this.#files.destroy()
  }

  async #next(): Promise<Entry | null> {
    try {
      const next = await this.#entries.next()
      return next.done === true ? null : next.value
    } catch (error) {
      throw this.#failure(error)
    }
  }

  async #text(entry: Entry): Promise<string> {
    if ((entry.header.size ?? 0) > MAX_TEXT_BYTES) throw damaged(`${shown(entry.header.name)} is too long`)
    const chunks: Buffer[] = []
    for await (const chunk of this.#bytes(entry)) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    this.#sums.addBytes(entry.header.name, bytes)
    return bytes.toString()
  }

  async *#bytes(entry: Entry): AsyncGenerator<Buffer> {
    try {
      yield* entry as AsyncIterable<Buffer>
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** What the source itself says is passed on; the rest is what tar-stream makes of bytes that are no tar file. */
  #failure(error: unknown): unknown {
    if (error instanceof BackupError || (error as NodeJS.ErrnoException).syscall !== undefined) return error
    return damaged('it is cut, or no tar file', error)
  }
}

/** Hands on what is read as fast as it is taken: tar-stream's streams are not Node's. */
async function feed(source: Readable, files: Extract): Promise<void> {
  let goOn = (): void => {}
  files.on('drain', () => goOn())
  files.on('close', () => goOn())
  for await (const chunk of source as AsyncIterable<Buffer>) {
    if (files.destroyed) return
    if (files.write(chunk)) continue
    await new Promise<void>((resolve) => {
      goOn = resolve
    })
  }
  files.end(undefined)
}

const NO_END = 'its end is missing'

/** The first file whose digest differs. */
function differing(found: string, expected: string): string {
  const lines = found.split('\n')
  const at = expected.split('\n').findIndex((line, i) => line !== lines[i])
  return shown(expected.split('\n')[at]?.slice(66) || SUMS_FILE)
}

function shown(name: string): string {
  return name.slice(0, 100)
}
