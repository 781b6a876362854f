import { join } from 'node:path'
import { errorCode } from '../lib/error-code.ts'
import { UNHEARD_FILE } from '../model/audit/unheard.ts'
import type { Clock } from '../lib/time/clock.ts'
import { isMissing } from './segment.ts'
import { type SpoolFiles } from './spool-files.ts'
import { HEARTBEAT_MS, type Owner, OWNER_FILE, type Owners, systemOwners } from './spool-owner.ts'

const SEGMENT = '.seg'
/** Names of segments that are put aside end in this. */
const DAMAGED = '.damaged'

/** A file of a dead process that cannot be taken over, and why. */
export interface LeftFile {
  readonly path: string
  readonly code: string
}

/**
 * The directories of all processes that spill into the same place, one for each:
 *
 *   <directory>/<instance>/owner.json           whose it is: there as long as that process lives and uses the directory
 *                         /unheard                it has promised what the database may not have heard
 *                         /<n>.seg              its own segments, and those that it has taken over:
 *                         /<instance>-<n>.seg   (renamed into its directory, which can succeed once)
 *                         /….seg.damaged        segments in which something could not be read
 */
export class SpoolDirectory {
  readonly #root: string
  readonly #own: string
  readonly #instance: string
  readonly #files: SpoolFiles
  readonly #clock: Clock
  readonly #owners: Owners
  readonly #onDead: (instance: string, isUnheard: boolean) => boolean
  /** There is word that must stay, though nothing else does. */
  isUnheard = false
  #us: Owner | null = null
  #made: Promise<void> | null = null
  #cancelHeartbeat: (() => void) | null = null
  #lastNumber = 0

  constructor(parts: {
    readonly directory: string
    readonly instance: string
    readonly files: SpoolFiles
    readonly clock: Clock
    readonly owners?: Owners
    readonly onDead?: (instance: string, isUnheard: boolean) => boolean
  }) {
    this.#root = parts.directory
    this.#instance = parts.instance
    this.#own = join(parts.directory, parts.instance)
    this.#files = parts.files
    this.#clock = parts.clock
    this.#owners = parts.owners ?? systemOwners
    this.#onDead = parts.onDead ?? (() => true)
  }

  /** Path of a segment that does not exist yet, in our directory, which does from now on. Rejects with the system's error. */
  async newSegmentPath(): Promise<string> {
    await this.#make()
    return join(this.#own, `${++this.#lastNumber}${SEGMENT}`)
  }

  /** Leaves word in our directory, or takes it away: see UNHEARD_FILE. Rejects with the system's error. */
  async setUnheard(isUnheard: boolean): Promise<void> {
    const path = join(this.#own, UNHEARD_FILE)
    this.isUnheard = isUnheard
    if (isUnheard) {
      await this.#make()
      await this.#files.writeText(path, '')
    } else await this.#attempt(() => this.#files.remove(path))
  }

  /** Our directory was removed or changed: the next segment makes it again. */
  forget(): void {
    this.#made = null
  }

  /** Makes the names of our directory durable. Rejects with the system's error. */
  async sync(): Promise<void> {
    await this.#files.syncDirectory(this.#own)
  }

  /** It may be gone already. */
  async remove(path: string): Promise<void> {
    try {
      await this.#files.remove(path)
    } catch (error) {
      if (!isMissing(error)) throw error
    }
    await this.sync()
  }

  /** Keeps a segment out of the way, for people to look at. */
  async putAside(path: string): Promise<void> {
    await this.#files.rename(path, `${path}${DAMAGED}`)
    await this.sync()
  }

  /**
   * Takes over the segments of processes that are dead; returns their paths, each instance's in order, and what could not be taken
   * over. Of several processes that do so at once each segment falls to one. Never rejects for the sake of one of them.
   */
  async adopt(): Promise<{ readonly paths: readonly string[]; readonly left: readonly LeftFile[] }> {
    const paths: string[] = []
    const left: LeftFile[] = []
    const attempt = async (path: string, act: () => Promise<void>): Promise<void> => {
      try {
        await act()
      } catch (error) {
        const code = errorCode(error)
        // Another process has taken it over.
        if (code !== 'ENOENT') left.push({ path, code })
      }
    }
    await attempt(this.#root, async () => {
      for (const instance of (await this.#files.list(this.#root)).sort()) {
        if (instance === this.#instance || !/^[0-9a-f-]{36}$/.test(instance)) continue
        const directory = join(this.#root, instance)
        await attempt(directory, () => this.#adoptFrom(instance, paths, attempt))
      }
      if (paths.length > 0) await this.sync()
    })
    return { paths, left }
  }

  async #adoptFrom(
    instance: string,
    paths: string[],
    attempt: (path: string, act: () => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const directory = join(this.#root, instance)
    const found = await this.#files.list(directory)
    const names = found.filter((name) => name.endsWith(SEGMENT))
    this.#us ??= await this.#owners.us()
    const ownerFile = join(directory, OWNER_FILE)
    if (await this.#owners.isAlive(this.#files, ownerFile, this.#us, this.#clock.nowMs())) return
    // An orderly end removes the file.
    const isUnheard = found.includes(UNHEARD_FILE)
    const isTold = !found.includes(OWNER_FILE) || this.#onDead(instance, isUnheard)
    for (const name of names.sort(byNumber)) {
      const from = join(directory, name)
      await attempt(from, async () => {
        // A folder, a link or a pipe of that name is no segment: it stays where it is.
        if (!(await this.#files.stat(from)).isFile()) throw notAFile()
        await this.#make()
        const to = await this.#freePath(name.length < instance.length ? `${instance}-${name}` : name)
        await this.#files.rename(from, to)
        paths.push(to)
      })
    }
    // Until the database knows it, this file alone shows that the dead process had promised more.
    if (isUnheard && !isTold) return
    for (const name of [UNHEARD_FILE, OWNER_FILE])
      await this.#attempt(() => this.#files.remove(join(directory, name)))
    await this.#attempt(() => this.#files.removeDirectory(directory))
  }

  /** A name that is free in our directory: a rename would replace a file that has it, a restored copy, say. No other process writes there. */
  async #freePath(name: string): Promise<string> {
    for (let i = 0; ; i++) {
      const path = join(this.#own, i === 0 ? name : name.replace(SEGMENT, `-${i}${SEGMENT}`))
      if (!(await this.#attempt(async () => void (await this.#files.stat(path))))) return path
    }
  }

  /** Bytes in the directories of others, and of what was put aside. */
  async foreignBytes(): Promise<number> {
    let bytes = 0
    for (const instance of await this.#files.list(this.#root).catch(() => [])) {
      const isOwn = instance === this.#instance
      for (const name of await this.#files.list(join(this.#root, instance)).catch(() => [])) {
        if (!name.endsWith(DAMAGED) && (isOwn || !name.endsWith(SEGMENT))) continue
        const stat = await this.#files.stat(join(this.#root, instance, name)).catch(() => null)
        bytes += stat?.size ?? 0
      }
    }
    return bytes
  }

  /** Whether our directory is there, with its heartbeat. */
  get isInUse(): boolean {
    return this.#made !== null
  }

  /** Gives up our directory: from now on another process may take over what is left in it. Never rejects. */
  async release(): Promise<void> {
    this.#cancelHeartbeat?.()
    this.#cancelHeartbeat = null
    if (this.#made === null) return
    this.#made = null
    for (const name of [UNHEARD_FILE, OWNER_FILE])
      await this.#attempt(() => this.#files.remove(join(this.#own, name)))
    await this.#attempt(() => this.#files.removeDirectory(this.#own))
  }

  /** Once; after a failure again. */
  async #make(): Promise<void> {
    this.#made ??= this.#makeOwn()
    try {
      await this.#made
    } catch (error) {
      this.#made = null
      throw error
    }
  }

  async #makeOwn(): Promise<void> {
    await this.#files.makeDirectory(this.#own)
    this.#us ??= await this.#owners.us()
    await this.#files.writeText(join(this.#own, OWNER_FILE), JSON.stringify(this.#us))
    await this.#files.syncDirectory(this.#root)
    this.#cancelHeartbeat?.()
    this.#beat()
  }

  #beat(): void {
    this.#cancelHeartbeat = this.#clock.after(HEARTBEAT_MS, () => {
      this.#beat()
      void this.#touch()
    })
  }

  /** Other processes take us for dead without the file: it is made again when it was removed. */
  async #touch(): Promise<void> {
    try {
      await this.#files.touch(join(this.#own, OWNER_FILE))
    } catch (error) {
      if (!isMissing(error) || this.#cancelHeartbeat === null) return
      this.forget()
      await this.#attempt(() => this.#make())
    }
  }

  /** Whether it worked. When not, another process has done it, or it will be tried again. */
  async #attempt(act: () => Promise<void>): Promise<boolean> {
    try {
      await act()
      return true
    } catch (error) {
      if (errorCode(error) === 'unknown') throw error
      return false
    }
  }
}

function notAFile(): Error {
  return Object.assign(new Error('not a file'), { code: 'not_a_file' })
}

/** Own segments and taken ones, each instance's by its numbers. */
function byNumber(a: string, b: string): number {
  const [, instanceA = '', numberA = '0'] = /^(.{36}-)?(\d+)/.exec(a) ?? []
  const [, instanceB = '', numberB = '0'] = /^(.{36}-)?(\d+)/.exec(b) ?? []
  if (instanceA !== instanceB) return instanceA < instanceB ? 1 : -1
  return Number(numberA) - Number(numberB)
}
