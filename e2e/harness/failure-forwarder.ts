import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'
import type { TestDatabase } from './database.ts'

/**
 * What becomes of connections, those open as well as new ones. `forward`: relayed. `swallow`: bytes are taken and nothing is
 * ever answered, as by a host that a firewall cut off.
 */
export type ForwarderMode = 'forward' | 'swallow'

/** A TCP forwarder between a gateway and its database, with faults. Closed on teardown. */
export interface Forwarder {
  /** The database through the forwarder. */
  readonly url: string
  mode: ForwarderMode
  /** The end of each COPY reaches the server so many milliseconds late: a database that is slow. 0 at first. */
  copyDelayMs: number
  /** Connections taken since it first listened. */
  readonly connections: number
  /** Listens, on the same port each time. */
  open(): Promise<void>
  /** Refuses new connections and breaks off those there are. */
  close(): Promise<void>
  /**
   * Breaks off the connection that ends the next COPY, when the server has answered to that end and before the client hears
   * of it. Resolves when it was done.
   */
  cutNextAcknowledgement(): Promise<void>
}

/** Makes a forwarder to a test database; its port is chosen, and refuses until `open`. */
export async function startForwarder(t: Test, db: TestDatabase): Promise<Forwarder> {
  const target = new URL(db.url)
  // A loopback address of our own: nobody takes the port while it is closed.
  const host = `127.${64 + random(128)}.${random(255)}.${1 + random(254)}`
  const links = new Set<Link>()
  let mode: ForwarderMode = 'forward'
  let copyDelayMs = 0
  let connections = 0
  let onCut: (() => void) | null = null
  const takeCut = (): (() => void) | null => {
    const taken = onCut
    onCut = null
    return taken
  }
  const accept = (client: Socket): void => {
    connections++
    const link = new Link(client, connectTo(target), {
      takeCut,
      mode: () => mode,
      copyDelayMs: () => copyDelayMs,
    })
    links.add(link)
    client.once('close', () => links.delete(link))
  }
  let server: Server | null = null
  const listen = async (port: number): Promise<number> => {
    server = createServer(accept).listen(port, host)
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const close = async (): Promise<void> => {
    const closing = server
    server = null
    if (closing === null) return
    const closed = once(closing, 'close')
    closing.close()
    for (const link of links) link.destroy()
    await closed
  }
  const port = await listen(0)
  await close()
  t.teardown(close)
  const url = new URL(`postgres://${target.username}@${host}:${port}${target.pathname}`)
  if (target.password !== '') url.password = target.password
  return {
    url: url.href,
    get mode() {
      return mode
    },
    set mode(next) {
      mode = next
    },
    get copyDelayMs() {
      return copyDelayMs
    },
    set copyDelayMs(next) {
      copyDelayMs = next
    },
    get connections() {
      return connections
    },
    open: async () => void (await listen(port)),
    close,
    cutNextAcknowledgement: () => new Promise((resolve) => (onCut = resolve)),
  }
}

interface Faults {
  readonly mode: () => ForwarderMode
  readonly copyDelayMs: () => number
  /** Takes the order to cut, if there is one. */
  readonly takeCut: () => (() => void) | null
}

/** One relayed connection. */
class Link {
  readonly #client: Socket
  readonly #server: Socket
  /** Of the client's messages: what is left of the one being read, and the bytes of a header that came in pieces. */
  #rest = 0
  #header = Buffer.alloc(0)
  #isStarted = false
  /** Runs while the end of a COPY is held back; nothing is read from the client meanwhile. */
  #delay: NodeJS.Timeout | undefined

  constructor(client: Socket, server: Socket, faults: Faults) {
    this.#client = client
    this.#server = server
    client.on('data', (chunk: Buffer) => {
      if (faults.mode() === 'swallow') return
      const isEnd = this.#endsCopy(chunk)
      if (isEnd && faults.copyDelayMs() > 0) this.#hold(chunk, faults)
      else server.write(chunk)
    })
    server.on('data', (chunk: Buffer) => {
      if (faults.mode() === 'swallow') return
      const cut = isAcknowledgement(chunk) ? faults.takeCut() : null
      if (cut === null) client.write(chunk)
      else {
        cut()
        this.destroy()
      }
    })
    for (const socket of [client, server]) {
      socket.on('error', () => {})
      socket.on('close', () => this.destroy())
    }
  }

  #hold(chunk: Buffer, faults: Faults): void {
    this.#client.pause()
    this.#delay = setTimeout(() => {
      if (faults.mode() !== 'swallow') this.#server.write(chunk)
      this.#client.resume()
    }, faults.copyDelayMs())
  }

  destroy(): void {
    clearTimeout(this.#delay)
    this.#client.destroy()
    this.#server.destroy()
  }

  /** Whether the chunk holds a CopyDone message, `c` (PostgreSQL manual §55.7); the startup message bears no type. */
  #endsCopy(chunk: Buffer): boolean {
    let isDone = false
    let at = 0
    while (at < chunk.length) {
      if (this.#rest > 0) {
        const step = Math.min(this.#rest, chunk.length - at)
        this.#rest -= step
        at += step
        continue
      }
      const size = this.#isStarted ? 5 : 4
      const step = Math.min(size - this.#header.length, chunk.length - at)
      this.#header = Buffer.concat([this.#header, chunk.subarray(at, at + step)])
      at += step
      if (this.#header.length < size) break
      isDone ||= this.#isStarted && this.#header[0] === 0x63
      this.#rest = this.#header.readUInt32BE(size - 4) - 4
      this.#header = Buffer.alloc(0)
      this.#isStarted = true
    }
    return isDone
  }
}

function connectTo(target: URL): Socket {
  const folder = target.searchParams.get('host')
  const port = target.port === '' ? 5432 : Number(target.port)
  return folder === null ? connect(port, target.hostname) : connect(`${folder}/.s.PGSQL.${port}`)
}

function random(below: number): number {
  return Math.floor(Math.random() * below)
}

/**
 * Whether it tells of a COPY that was committed: its CommandComplete, the answer of the count that follows it, and ReadyForQuery, in one
 * piece. A refusal ends without such tags.
 */
function isAcknowledgement(chunk: Buffer): boolean {
  // eslint-disable-next-line no-control-regex -- the protocol's
  return /COPY \d+\0.*SELECT 1\0Z\0\0\0\x05.$/s.test(chunk.toString('latin1'))
}
