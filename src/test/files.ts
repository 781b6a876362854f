import { dirname } from 'node:path'
import type { SpoolFile, SpoolFiles } from '../spool/spool-files.ts'

/** For tests: a file system in memory, whose calls end at once, and which fails, or hangs, when told so. */
export class MemoryFiles implements SpoolFiles {
  readonly #files = new Map<string, { bytes: Buffer; mtimeMs: number }>()
  readonly #directories = new Set<string>()
  readonly #nowMs: () => number
  /** Answer to all that writes data, when set. */
  error: string | null = null
  /** Paths that cannot be read, with the answer to whoever tries. */
  readonly unreadable = new Map<string, string>()
  /** All that touches the disk waits for it. */
  #answer: Promise<void> = Promise.resolve()
  opens = 0
  writes = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get paths(): string[] {
    return [...this.#files.keys()].sort()
  }

  /** From now on the disk does not answer, until the function returned is called. */
  hang(): () => void {
    let release = (): void => {}
    this.#answer = new Promise<void>((resolve) => {
      release = resolve
    })
    return release
  }

  async open(path: string, flags: 'wx+' | 'r'): Promise<SpoolFile> {
    this.opens++
    await this.#answer
    if (flags === 'wx+') this.#write(path, Buffer.alloc(0))
    const file = this.#file(path)
    if (flags === 'r' && this.unreadable.has(path)) fail(this.unreadable.get(path) ?? '')
    return {
      writev: async (buffers, position) => {
        this.writes++
        await this.#answer
        this.#check()
        const added = Buffer.concat(buffers as Buffer[])
        file.bytes = Buffer.concat([file.bytes.subarray(0, position), added])
        return { bytesWritten: added.length }
      },
      read: async (buffer, offset, length, position) => {
        await this.#answer
        if (this.unreadable.has(path)) fail(this.unreadable.get(path) ?? '')
        return { bytesRead: file.bytes.copy(buffer, offset, position, position + length) }
      },
      datasync: () => this.#answer,
      truncate: async (bytes) => {
        await this.#answer
        file.bytes = file.bytes.subarray(0, bytes)
      },
      close: () => this.#answer,
    }
  }

  async readText(path: string): Promise<string> {
    return this.#file(path).bytes.toString()
  }

  async writeText(path: string, text: string): Promise<void> {
    await this.#answer
    this.#write(path, Buffer.from(text))
  }

  async list(path: string): Promise<string[]> {
    await this.#answer
    return [...this.#files.keys(), ...this.#directories]
      .filter((each) => dirname(each) === path)
      .map((each) => each.slice(path.length + 1))
  }

  async stat(path: string): Promise<{ size: number; mtimeMs: number; isFile(): boolean }> {
    const { bytes, mtimeMs } = this.#file(path)
    return { size: bytes.length, mtimeMs, isFile: () => true }
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#answer
    this.#directories.add(path)
  }

  async removeDirectory(path: string): Promise<void> {
    if ((await this.list(path)).length > 0) fail('ENOTEMPTY')
    this.#directories.delete(path)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#files.set(to, this.#file(from))
    this.#files.delete(from)
  }

  async remove(path: string): Promise<void> {
    await this.#answer
    this.#file(path)
    this.#files.delete(path)
  }

  async touch(path: string): Promise<void> {
    this.#file(path).mtimeMs = this.#nowMs()
  }

  async syncDirectory(): Promise<void> {
    await this.#answer
  }

  #write(path: string, bytes: Buffer): void {
    this.#check()
    this.#files.set(path, { bytes, mtimeMs: this.#nowMs() })
  }

  #check(): void {
    if (this.error !== null) fail(this.error)
  }

  #file(path: string): { bytes: Buffer; mtimeMs: number } {
    return this.#files.get(path) ?? fail('ENOENT')
  }
}

function fail(code: string): never {
  throw Object.assign(new Error(code), { code })
}
