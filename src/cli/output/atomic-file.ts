import { open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from '../../lib/host/sync-folder.ts'
import { CommandError } from '../errors.ts'
import type { Io } from './io.ts'

/**
 * Writes a file that only its owner may read, and that is never seen half: under another name first, forced onto the medium, and renamed
 * when it is whole. Rejects with a CommandError, and leaves nothing, when the file is there already, cannot be written, or a signal
 * comes.
 */
export async function writeNewFile(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  io: Pick<Io, 'onSignal'>,
): Promise<void> {
  const draft = `${path}.${process.pid}.part`
  const removers: (() => void)[] = []
  const stopped = new Promise<never>((_resolve, reject) => {
    const stop = (): void => reject(new CommandError('stopped by a signal; nothing is left of the file'))
    for (const signal of ['SIGINT', 'SIGTERM'] as const) removers.push(io.onSignal(signal, stop))
  })
  stopped.catch(() => {})
  try {
    await refuseExisting(path)
    await writeDraft(draft, chunks, stopped)
    await rename(draft, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await unlink(draft).catch(() => {})
    const { code, syscall } = error as NodeJS.ErrnoException
    if (syscall === undefined || !/^(?:open|write|fsync|fdatasync|rename|close)$/.test(syscall)) throw error
    const hint = code === 'ENOSPC' ? ': make room, or pipe it elsewhere ("waybill backup - | …")' : ''
    throw new CommandError(`${path} cannot be written (${code})${hint}; nothing is left of it`, {
      cause: error,
    })
  } finally {
    for (const remove of removers) remove()
  }
}

async function writeDraft(
  draft: string,
  chunks: AsyncIterable<Uint8Array>,
  stopped: Promise<never>,
): Promise<void> {
  const handle = await open(draft, 'wx', 0o600)
  const iterator = chunks[Symbol.asyncIterator]()
  try {
    // A database that answers nothing must not keep the signal waiting.
    for (;;) {
      const next = await Promise.race([iterator.next(), stopped])
      if (next.done === true) break
      await handle.writeFile(next.value)
    }
    await handle.sync()
  } finally {
    void iterator.return?.()
    await handle.close()
  }
}

async function refuseExisting(path: string): Promise<void> {
  const there = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (there === null) return
  await there.close()
  throw new CommandError(`${path} is there already: name another file, or remove it`)
}
