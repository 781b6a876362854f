import {
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rmdir,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { errorCode } from '../lib/error-code.ts'
import { syncFolder } from '../lib/host/sync-folder.ts'

/** An open segment. The methods are those of node's FileHandle. */
export interface SpoolFile {
  writev(buffers: readonly NodeJS.ArrayBufferView[], position: number): Promise<{ bytesWritten: number }>
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
  datasync(): Promise<void>
  truncate(bytes: number): Promise<void>
  close(): Promise<void>
}

/** The file system as the spill needs it; injected, so that tests decide when a disk is full. All reject with node's errors. */
export interface SpoolFiles {
  /** `wx+`: made, and it must not exist; `r`: to be read. */
  open(path: string, flags: 'wx+' | 'r'): Promise<SpoolFile>
  readText(path: string): Promise<string>
  writeText(path: string, text: string): Promise<void>
  /** Names in a directory; none when it does not exist. */
  list(path: string): Promise<string[]>
  /** Of the path itself: a symbolic link is not followed, and is no file. */
  stat(path: string): Promise<{ readonly size: number; readonly mtimeMs: number; isFile(): boolean }>
  /** With all its parents; for the owner only. */
  makeDirectory(path: string): Promise<void>
  removeDirectory(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  touch(path: string): Promise<void>
  /** Makes names that were added or removed durable. */
  syncDirectory(path: string): Promise<void>
}

/** The real thing. */
export const systemFiles: SpoolFiles = {
  open: (path, flags) => open(path, flags, 0o600),
  readText: (path) => readFile(path, 'utf8'),
  writeText: (path, text) => writeFile(path, text, { mode: 0o600 }),
  async list(path) {
    try {
      return await readdir(path)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return []
      throw error
    }
  },
  stat: (path) => lstat(path),
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o700 })
  },
  removeDirectory: (path) => rmdir(path),
  rename: (from, to) => rename(from, to),
  remove: (path) => unlink(path),
  async touch(path) {
    const now = new Date()
    await utimes(path, now, now)
  },
  syncDirectory: syncFolder,
}
