import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'

const STATUS_LINE = Buffer.from('HTTP/1.1 ')

export interface BurstOptions {
  /** Origin of a gateway. */
  readonly origin: string
  /** A whole request without body, with the empty line at its end; built anew from its number. */
  readonly request: (n: number) => string
  readonly total: number
  readonly connections?: number
  /** Requests written to a connection before its answers are awaited. */
  readonly depth?: number
}

/**
 * Sends requests over a few connections, pipelined, at the highest rate that the gateway takes: several times what a client
 * of one request at a time reaches. The answers' bodies must not hold "HTTP/1.1 ". Resolves with the number of answers by
 * status; rejects when a connection is closed early.
 */
export async function burst(options: BurstOptions): Promise<Map<number, number>> {
  const { connections = 8, depth = 64, total } = options
  const byStatus = new Map<number, number>()
  let sent = 0
  const run = async (): Promise<void> => {
    const socket = await dial(options.origin)
    try {
      while (sent < total) {
        const count = Math.min(depth, total - sent)
        let text = ''
        for (let i = 0; i < count; i++) text += options.request(sent++)
        const answers = countAnswers(socket, count, byStatus)
        socket.write(text, 'latin1')
        await answers
      }
    } finally {
      socket.destroy()
    }
  }
  await Promise.all(Array.from({ length: connections }, run))
  return byStatus
}

/** Resolves when so many status lines have arrived. */
function countAnswers(socket: Socket, count: number, byStatus: Map<number, number>): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = count
    let held = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      const data = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      let at = data.indexOf(STATUS_LINE)
      let end = 0
      while (at !== -1 && at + 12 <= data.length) {
        const status = Number(data.toString('latin1', at + 9, at + 12))
        byStatus.set(status, (byStatus.get(status) ?? 0) + 1)
        left--
        end = at + 12
        at = data.indexOf(STATUS_LINE, end)
      }
      // What may be the beginning of a status line.
      held = Buffer.from(data.subarray(Math.max(end, at === -1 ? data.length - 11 : at)))
      if (left === 0) settle(resolve)
    }
    const onClose = (): void => settle(() => reject(new Error('connection closed before all was answered')))
    const settle = (then: () => void): void => {
      socket.off('data', onData)
      socket.off('close', onClose)
      then()
    }
    socket.on('data', onData)
    socket.once('close', onClose)
  })
}

/** A raw connection, closed on teardown. */
export interface Wire {
  readonly socket: Socket
  /** All that has arrived, as latin1. */
  readonly received: string
  /** Resolves with all that arrived once the gateway has closed; rejects after `timeoutMs`. */
  closed(timeoutMs?: number): Promise<string>
}

/** Opens a raw connection and sends bytes, given as latin1. */
export async function openWire(t: Test, origin: string, text: string): Promise<Wire> {
  const socket = await dial(origin)
  t.teardown(() => socket.destroy())
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.write(text, 'latin1')
  return {
    socket,
    get received() {
      return received
    },
    closed: async (timeoutMs = 10_000) => {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => {
          reject(new Error(`not closed within ${timeoutMs} ms; received: ${received.slice(0, 200)}`))
        }, timeoutMs)
      })
      await Promise.race([closed, late]).finally(() => clearTimeout(timer))
      return received
    },
  }
}

async function dial(origin: string): Promise<Socket> {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  // The gateway may break off what it refuses.
  socket.on('error', () => {})
  return socket
}
