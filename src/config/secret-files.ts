import { readFileSync, statSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { errorCode } from '../lib/error-code.ts'

/** A file that stands for a text of the configuration: `${file:/run/secrets/token}`. */
export interface SecretFile {
  readonly path: string
  /** Why what was read before stands for it still; null when it was read now. */
  readonly problem: string | null
}

/** Longest text that is read: longer than any credential, and short enough to be read at once. */
const MAX_BYTES = 65_536

/**
 * Reads the files that stand for texts of the configuration, and remembers what was good: a file that has vanished or is empty, as while
 * it is being replaced, is read as before. Contents appear in no message.
 */
export class SecretFiles {
  readonly #good = new Map<string, string>()
  #read = new Map<string, SecretFile>()

  /** Those read since the last call. */
  take(): readonly SecretFile[] {
    const read = [...this.#read.values()]
    this.#read = new Map()
    return read
  }

  /** The file's text without the line end behind it, or what is wrong with the file. */
  read(path: string): { readonly text: string } | { readonly problem: string } {
    if (!isAbsolute(path)) return { problem: 'needs an absolute path' }
    const now = readText(path)
    const text = 'text' in now ? now.text : this.#good.get(path)
    if (text === undefined) return now
    this.#good.set(path, text)
    this.#read.set(path, { path, problem: 'text' in now ? null : now.problem })
    return { text }
  }
}

function readText(path: string): { readonly text: string } | { readonly problem: string } {
  try {
    const status = statSync(path)
    if (!status.isFile()) return { problem: 'is no file' }
    if (status.size > MAX_BYTES) return { problem: `is longer than ${MAX_BYTES} bytes` }
    const bytes = readFileSync(path)
    const text = bytes.toString('utf8').replace(/\r?\n$/, '')
    if (text === '') return { problem: 'is empty' }
    return Buffer.from(text).length > bytes.length || text.includes('\0')
      ? { problem: 'is not text in UTF-8' }
      : { text }
  } catch (error) {
    return { problem: `cannot be read (${errorCode(error)})` }
  }
}
