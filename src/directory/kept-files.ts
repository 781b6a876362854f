import { constants, type Stats } from 'node:fs'
import { lstat, mkdir, open, type FileHandle } from 'node:fs/promises'
import { errorCode } from '../lib/error-code.ts'

const WRITABLE_BY_OTHERS = 0o022
const OPEN_TO_OTHERS = 0o077

/** The folder, made when it is missing. Rejects when it is not ours alone to write. */
export async function ownFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await checkFolder(folder)
}

/** Rejects, with a code that says why, unless the folder is ours, and nobody else may put files there. */
export async function checkFolder(folder: string): Promise<void> {
  const stats = await lstat(folder)
  if (!stats.isDirectory()) throw refused('not_a_folder', folder)
  if (!isOurs(stats)) throw refused('owner', folder)
  if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) throw refused('permissions', folder)
}

/**
 * Opens a file that we alone can have written, never what a link names, and gives its size. Rejects with node's errors (ENOENT,
 * ELOOP for a link) or a code that says what is wrong with it.
 */
export async function openOwn(path: string, flags: number): Promise<{ file: FileHandle; bytes: number }> {
  const { O_NOFOLLOW, O_NONBLOCK } = constants
  const file = await open(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o600)
  try {
    const stats = await file.stat()
    if (!stats.isFile() || stats.nlink !== 1) throw refused('not_a_file', path)
    if (!isOurs(stats)) throw refused('owner', path)
    if ((stats.mode & OPEN_TO_OTHERS) !== 0) throw refused('permissions', path)
    return { file, bytes: stats.size }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The text of such a file; '' when it does not exist. Rejects with code `size` beyond `maxBytes`. */
export async function readOwn(path: string, maxBytes: number): Promise<string> {
  let opened: { file: FileHandle; bytes: number }
  try {
    opened = await openOwn(path, constants.O_RDONLY)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return ''
    throw error
  }
  try {
    if (opened.bytes > maxBytes) throw refused('size', path)
    return await opened.file.readFile('utf8')
  } finally {
    await opened.file.close()
  }
}

/** An error whose code says why a file or a snapshot is not used. */
export function refused(code: string, path: string): Error {
  return Object.assign(new Error(`${path}: ${code}`), { code })
}

function isOurs({ uid }: Stats): boolean {
  return process.geteuid === undefined || uid === process.geteuid()
}
