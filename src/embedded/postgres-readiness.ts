import { connect } from 'node:net'
import { DATABASE_NAME } from './postgres-cluster.ts'

const ANSWER_TIMEOUT_MS = 2000

/**
 * Asks once whether PostgreSQL on that socket takes connections: true when a startup packet is answered by anything but 57P03 (still
 * starting, or already stopping). Never rejects; no answer within two seconds is false.
 */
export async function isAccepting(socketPath: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(socketPath)
    let answer = Buffer.alloc(0)
    const settle = (ready: boolean): void => {
      socket.destroy()
      resolve(ready)
    }
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => settle(false))
    socket.once('connect', () => socket.write(startupMessage(DATABASE_NAME)))
    socket.once('error', () => settle(false))
    socket.once('close', () => settle(false))
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk])
      const ready = judge(answer)
      if (ready === undefined) return
      // Terminate ('X', length 4): a vanished client would be a line in the log.
      socket.end(Buffer.from([0x58, 0, 0, 0, 4]))
      settleAfterEnd(ready)
    })
    const settleAfterEnd = (ready: boolean): void => {
      socket.removeAllListeners('close')
      socket.removeAllListeners('data')
      socket.resume()
      socket.once('close', () => settle(ready))
    }
  })
}

/** StartupMessage of protocol 3.0 (PostgreSQL documentation, "Message Formats"): length, version, then pairs of C strings. */
function startupMessage(name: string): Buffer {
  const body = Buffer.from(`user\0${name}\0database\0${name}\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(body.length + 8, 0)
  head.writeInt32BE(3 << 16, 4)
  return Buffer.concat([head, body])
}

/** The first message: type, length, body. An ErrorResponse ('E') lists its fields as letter + C string; 'C' is the SQLSTATE. */
function judge(answer: Buffer): boolean | undefined {
  if (answer.length < 5) return undefined
  if (answer[0] !== 0x45) return true
  if (answer.length < 1 + answer.readInt32BE(1)) return undefined
  return !answer.includes('\0C57P03\0')
}
