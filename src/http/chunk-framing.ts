import type { Socket } from 'node:net'

/** Writes bytes, at least one, as a chunk (RFC 9112 §7.1) in one go. Returns what the socket says; `onWritten` as of its `write`. */
export function writeChunk(
  socket: Socket,
  bytes: Buffer,
  onWritten?: (error: Error | null | undefined) => void,
): boolean {
  socket.cork()
  socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1')
  socket.write(bytes)
  const hasRoom = socket.write('\r\n', 'latin1', onWritten)
  socket.uncork()
  return hasRoom
}

/** The end of a body in chunks; `trailers` are whole lines. */
export function lastChunk(trailers: string): string {
  return `0\r\n${trailers}\r\n`
}
