import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { fieldLines } from '../http/field-lines.ts'
import { addTokens } from '../http/request-head.ts'

/**
 * Gives a connection back to the HTTP server as if its client had not asked to upgrade: cargo and `curl --http2` offer h2c on
 * plain http and go on in HTTP/1.1 when that is ignored (RFC 9110 §7.8). Node has handed it to the `upgrade` event, so the head is
 * rebuilt without its Upgrade and read again.
 */
export function reinject(server: Server, req: IncomingMessage, socket: Socket, head: Buffer): void {
  const fields: string[] = []
  const { rawHeaders } = req
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    const lower = name.toLowerCase()
    if (lower === 'upgrade' || lower === 'http2-settings') continue
    if (lower !== 'connection') {
      fields.push(name, value)
      continue
    }
    const kept = new Set<string>()
    addTokens(kept, value, Infinity)
    kept.delete('upgrade')
    kept.delete('http2-settings')
    if (kept.size > 0) fields.push(name, [...kept].join(', '))
  }
  const line = `${req.method ?? 'GET'} ${req.url ?? '/'} HTTP/${req.httpVersion}`
  const text = `${line}\r\n${fieldLines(fields)}\r\n`
  socket.unshift(Buffer.concat([Buffer.from(text, 'latin1'), head]))
  server.emit('connection', socket)
}
