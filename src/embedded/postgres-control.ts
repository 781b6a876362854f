import type { Socket } from 'node:net'
import type { EmbeddedPostgresErrorCode } from './postgres-errors.ts'
import type { Layout } from './postgres-layout.ts'

/**
 * What a supervisor tells a holder, one JSON text per line. A holder sends nothing: its open connection is all that counts, and closing its
 * side is how it lets go.
 */
export type ControlMessage =
  | { type: 'progress'; message: string }
  | { type: 'ready' }
  | { type: 'failed'; code: EmbeddedPostgresErrorCode; message: string }

/** The one argument of a supervisor, as JSON. */
export interface SupervisorOptions {
  layout: Layout
  settings: Record<string, string>
  /** for each of its long steps, in milliseconds */
  startTimeoutMs: number
  /** the caller's PATH, where a system's PostgreSQL may be */
  searchPath: string
}

/** What a supervisor writes to its descriptor 3, once, before anyone can connect or instead. */
export const REPORT_LISTENING = 'listening'
/** Another supervisor has the lock: it is about to listen, or about to exit. */
export const REPORT_BUSY = 'busy'

/** Sends one message; a holder that has gone is no error. */
export function sendMessage(socket: Socket, message: ControlMessage): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`)
}

/** Calls `onMessage` for each message that arrives. The peer is our own program, run by the same user, and trusted. */
export function onMessages(socket: Socket, onMessage: (message: ControlMessage) => void): void {
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) onMessage(JSON.parse(line) as ControlMessage)
  })
}
