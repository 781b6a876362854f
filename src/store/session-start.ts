import type { Socket } from 'node:net'

/** Message types of PostgreSQL's protocol (manual §55.7). */
const READY = 0x5a
const ERROR = 0x45
const HEAD_BYTES = 5
const STARTED_MAX_BYTES = 1024 ** 2

/**
 * Runs a statement on a new connection before its driver may use it: postgres.js has no place for that. What comes up to the first
 * ReadyForQuery is passed on, that one is held back, the statement is sent, its answers are swallowed, and the next ReadyForQuery is passed
 * on in its place. An error of the statement is passed on, and the connection ends. All else happens as without this.
 */
export function startSession(socket: Socket, statement: string): void {
  const emit = socket.emit.bind(socket) as (event: string | symbol, ...args: unknown[]) => boolean
  let state: 'greeting' | 'setting' | 'started' = 'greeting'
  let rest: Buffer = Buffer.alloc(0)

  /** Returns whether the driver may use the connection from here on. */
  const onMessage = (message: Buffer): boolean => {
    const type = message[0]
    if (state === 'greeting' && type === READY) {
      state = 'setting'
      socket.write(simpleQuery(statement))
    } else if (state === 'greeting') emit('data', message)
    else if (type === ERROR) {
      emit('data', message)
      socket.destroy()
    } else if (type === READY) {
      state = 'started'
      emit('data', message)
    }
    return state === 'started'
  }

  const onData = (chunk: Buffer): void => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let isStarted = false
    while (!isStarted && rest.length >= HEAD_BYTES && !socket.destroyed) {
      const bytes = rest.readUInt32BE(1) + 1
      if (bytes > STARTED_MAX_BYTES || bytes < HEAD_BYTES) {
        socket.destroy(new Error('this is no PostgreSQL server'))
        return
      }
      if (rest.length < bytes) return
      const message = rest.subarray(0, bytes)
      rest = rest.subarray(bytes)
      isStarted = onMessage(message)
    }
    if (!isStarted) return
    // From here on nothing is between the socket and its driver.
    socket.emit = emit as Socket['emit']
    if (rest.length > 0) emit('data', rest)
    rest = Buffer.alloc(0)
  }

  socket.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event !== 'data' || state === 'started') return emit(event, ...args)
    onData(args[0] as Buffer)
    return true
  }
}

function simpleQuery(statement: string): Buffer {
  const text = Buffer.from(`${statement}\0`)
  const head = Buffer.alloc(HEAD_BYTES)
  head.write('Q')
  head.writeUInt32BE(text.length + 4, 1)
  return Buffer.concat([head, text])
}
