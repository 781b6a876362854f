import { lstat, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writePrivateFile } from '../lib/host/private-file.ts'
import type { RememberedLife } from '../model/audit/life.ts'
import type { Batch } from './batch/batch.ts'
import { systemFiles } from '../spool/spool-files.ts'
import { type Owner, type Owners, systemOwners } from '../spool/spool-owner.ts'

/** Lives that are remembered in a folder, the newest ones; and lives of dead processes that this one holds in memory. */
const MAX_FILES = 256
const MAX_INHERITED = 64

/** A memory has some 500 bytes: a longer file is not one. */
const MAX_BYTES = 4096

/** A draft of this age was left by a write that was broken off, and is removed. */
const DRAFT_MS = 3_600_000

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const NAME = new RegExp(`^${UUID}\\.(${UUID})\\.json$`)

/** The lives that a folder remembers of a log. */
export interface RememberedLives {
  /** Lives of processes that have ended, and what this process knows of other lives. */
  readonly lives: readonly RememberedLife[]
  /** Lives of other logs: of databases that this gateway does not use any more. */
  readonly others: number
}

/**
 * What the ledger has acknowledged, kept beside the database: for each life its last batch. One file for each life and each process
 * that has stored batches of it, `<life>.<process>.json`, so that no two write the same.
 */
export class LifeMemory {
  readonly #directory: string
  readonly #writer: string
  readonly #host: string
  readonly #owners: Owners
  readonly #lives = new Map<string, RememberedLife>()
  readonly #changed = new Set<string>()
  /** Files of dead processes that were read, as they were then: they change no more. */
  readonly #dead = new Map<string, { readonly mtimeMs: number; readonly memory: Memory | null }>()
  #us: Owner | null = null

  /** `writer` is the UUID of this process. The directory is made when something is first written. */
  constructor(parts: {
    readonly directory: string
    readonly writer: string
    readonly host: string
    readonly owners?: Owners
  }) {
    this.#directory = parts.directory
    this.#writer = parts.writer
    this.#host = parts.host
    this.#owners = parts.owners ?? systemOwners
  }

  /** The ledger has this batch. Touches no file. */
  acknowledge(batch: Batch): void {
    const { instance, number, range } = batch
    const known = this.#lives.get(instance)
    const fromMs = range?.firstStartedAtMs ?? known?.firstAtMs ?? Date.now()
    const toMs = range?.lastStartedAtMs ?? known?.lastAtMs ?? fromMs
    const isNewer = known === undefined || number > known.batch
    const last = isNewer
      ? { batch: number, digest: batch.digest.toString('hex'), settled: batch.acceptedSeq - batch.buffered }
      : known
    this.#lives.set(instance, {
      instance,
      host: this.#host,
      batch: last.batch,
      digest: last.digest,
      settled: last.settled,
      firstAtMs: Math.min(known?.firstAtMs ?? fromMs, fromMs),
      lastAtMs: Math.max(known?.lastAtMs ?? toMs, toMs),
    })
    this.#changed.add(instance)
    for (const other of this.#lives.keys()) {
      if (this.#lives.size <= MAX_INHERITED) break
      if (other !== instance && !this.#changed.has(other)) this.#lives.delete(other)
    }
  }

  /** The last batch of a life that this process has stored; null before the first. */
  latest(instance: string): RememberedLife | null {
    return this.#lives.get(instance) ?? null
  }

  /** Writes what has changed since the last call. Rejects with the system's error; then the next call writes it. */
  async write(log: string): Promise<void> {
    if (this.#changed.size === 0) return
    this.#us ??= await this.#owners.us()
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    // Those of now: more come while these are written.
    const changed = [...this.#changed]
    for (const instance of changed) {
      const life = this.#lives.get(instance)
      this.#changed.delete(instance)
      try {
        if (life !== undefined) await this.#writeFile(instance, JSON.stringify({ ...this.#us, log, ...life }))
      } catch (error) {
        this.#changed.add(instance)
        throw error
      }
    }
  }

  /**
   * The lives that other processes have remembered: dead ones, and with `withLiving` living ones too. A file that cannot be read is
   * passed over. Also removes the oldest files beyond the bound.
   */
  async read(log: string, own: string, withLiving = false): Promise<RememberedLives> {
    this.#us ??= await this.#owners.us()
    const found = new Map<string, RememberedLife>()
    const add = (life: RememberedLife): void =>
      void found.set(life.instance, merged(found.get(life.instance), life))
    let others = 0
    const files = await this.#files()
    for (const path of this.#dead.keys())
      if (!files.some((each) => each.path === path)) this.#dead.delete(path)
    for (const { path, writer, mtimeMs } of files) {
      if (writer === this.#writer) continue
      const memory = await this.#memoryOf(path, mtimeMs, this.#us, withLiving)
      if (memory === null) continue
      if (memory.log === log) add(memory.life)
      else others++
    }
    for (const life of this.#lives.values()) if (life.instance !== own) add(life)
    return { lives: [...found.values()], others }
  }

  /** Null for one that is not to be told of. */
  async #memoryOf(path: string, mtimeMs: number, us: Owner, withLiving: boolean): Promise<Memory | null> {
    const known = this.#dead.get(path)
    if (known?.mtimeMs === mtimeMs) return known.memory
    const isAlive = await this.#owners.isAlive(systemFiles, path, us, Date.now()).catch(() => true)
    if (isAlive) return withLiving ? await readMemory(path) : null
    const memory = await readMemory(path)
    this.#dead.set(path, { mtimeMs, memory })
    return memory
  }

  async #writeFile(instance: string, text: string): Promise<void> {
    const path = join(this.#directory, `${instance}.${this.#writer}.json`)
    const draft = `${path}.tmp`
    // Of a write that was broken off.
    await rm(draft, { force: true })
    await writePrivateFile(path, { draft, write: (file) => file.writeFile(text), survives: 'content' })
  }

  /** The memories in the folder, newest first. */
  async #files(): Promise<{ path: string; writer: string; mtimeMs: number }[]> {
    const files: { path: string; writer: string; mtimeMs: number }[] = []
    for (const name of await readdir(this.#directory).catch(() => [])) {
      const path = join(this.#directory, name)
      const stat = await lstat(path).catch(() => null)
      if (stat?.isFile() !== true) continue
      const writer = NAME.exec(name)?.[1]
      if (writer !== undefined) files.push({ path, writer, mtimeMs: stat.mtimeMs })
      else if (name.endsWith('.json.tmp') && Date.now() - stat.mtimeMs > DRAFT_MS)
        await rm(path, { force: true })
    }
    files.sort((a, b) => b.mtimeMs - a.mtimeMs)
    for (const { path, writer } of files.splice(MAX_FILES)) {
      if (writer !== this.#writer) await rm(path, { force: true }).catch(() => {})
    }
    return files
  }
}

function merged(known: RememberedLife | undefined, life: RememberedLife): RememberedLife {
  if (known === undefined) return life
  return {
    ...(life.batch > known.batch ? life : known),
    firstAtMs: Math.min(known.firstAtMs, life.firstAtMs),
    lastAtMs: Math.max(known.lastAtMs, life.lastAtMs),
  }
}

interface Memory {
  readonly log: string
  readonly life: RememberedLife
}

async function readMemory(path: string): Promise<Memory | null> {
  try {
    if ((await lstat(path)).size > MAX_BYTES) return null
    const value = (JSON.parse(await readFile(path, 'utf8')) ?? {}) as Partial<RememberedLife> & {
      log?: unknown
    }
    const { log, instance, host, batch, digest, settled, firstAtMs, lastAtMs } = value
    const isWhole =
      typeof log === 'string' &&
      typeof instance === 'string' &&
      new RegExp(`^${UUID}$`).test(instance) &&
      typeof host === 'string' &&
      !host.includes('\0') &&
      typeof digest === 'string' &&
      /^[0-9a-f]{64}$/.test(digest)
    if (!isWhole || !isCount(batch) || batch === 0 || !isCount(settled)) return null
    if (!isTime(firstAtMs) || !isTime(lastAtMs)) return null
    return { log, life: { instance, host, batch, digest, settled, firstAtMs, lastAtMs } }
  } catch {
    return null
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** What a Date, and a timestamptz, can hold. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= 200_000_000_000_000
}
