import type { Writable } from 'node:stream'
import { errorCode } from '../../lib/error-code.ts'
import { CommandError, OutputClosedError } from '../errors.ts'

/**
 * Writes text or bytes and waits until the stream wants more, so that a slow reader slows the query down and memory stays flat.
 * Rejects with `OutputClosedError` when the reader has gone away, with `CommandError` when writing
 * failed.
 */
export async function writeOut(stream: Writable, text: string | Uint8Array): Promise<void> {
  throwIfClosed(stream)
  if (stream.write(text)) {
    throwIfClosed(stream)
    return
  }
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error): void => {
      stream.off('drain', settle)
      stream.off('close', onClose)
      stream.off('error', settle)
      if (error === undefined) resolve()
      else reject(outputError(error))
    }
    const onClose = (): void => settle(new OutputClosedError())
    stream.on('drain', settle)
    stream.on('close', onClose)
    stream.on('error', settle)
  })
}

/** Whether a stream's error says that its reader has gone away. */
export function isReaderGone(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED' || code === 'ECONNRESET'
}

function throwIfClosed(stream: Writable): void {
  if (stream.errored !== null) throw outputError(stream.errored)
  if (stream.destroyed) throw new OutputClosedError()
}

function outputError(error: Error): Error {
  if (error instanceof OutputClosedError) return error
  if (isReaderGone(error)) return new OutputClosedError()
  const code = (error as NodeJS.ErrnoException).code ?? error.message
  return new CommandError(`the output cannot be written (${code})`, { cause: error })
}
