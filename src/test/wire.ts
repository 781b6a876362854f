import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

/** How long a test waits for something before it fails, unless it says otherwise; a bound, not a delay. */
const PATIENCE_MS = 30_000

/** Resolves once the condition holds, looked at on every turn of the event loop; rejects with `what` after `patienceMs`. */
export async function until(condition: () => boolean, what: string, patienceMs = PATIENCE_MS): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await turn()
  }
}

/** One message as it stood on the wire, its body decoded. */
export interface Message {
  readonly startLine: string
  readonly status: number
  /** Names in lower case as received, repeated fields kept. */
  readonly fields: readonly (readonly [string, string])[]
  readonly head: string
  readonly body: string
  readonly trailers: string
  /** Value of the first field of this name, or null. */
  field(name: string): string | null
}

/** One end of a raw TCP connection: nothing is hidden, everything that arrives is kept as latin1 text. */
export class Wire {
  readonly socket: Socket
  /** All that has arrived and was not yet taken by `message` or `take`. */
  text = ''
  bytesRead = 0
  hasEnded = false
  isClosed = false
  errorCode: string | null = null

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.bytesRead += chunk.length
      this.text += chunk.toString('latin1')
    })
    socket.on('end', () => {
      this.hasEnded = true
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.errorCode = error.code ?? 'unknown'
    })
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  /** Writes latin1 text or bytes. */
  send(data: string | Buffer): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
  }

  end(data = ''): void {
    this.socket.end(Buffer.from(data, 'latin1'))
  }

  /** Ends the connection with a TCP reset. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Waits until the text holds `pattern`. */
  async holds(pattern: string): Promise<void> {
    await until(
      () => this.text.includes(pattern),
      `${JSON.stringify(pattern)} in ${JSON.stringify(this.text.slice(0, 500))}`,
    )
  }

  /** Waits for the end of the connection, in whatever way. */
  async closed(): Promise<void> {
    await until(() => this.isClosed || this.hasEnded, `the end of a connection (${this.text.slice(0, 300)})`)
  }

  /** Waits for a head alone; the body stays in `text`. */
  async head(): Promise<Message> {
    await until(() => this.text.includes('\r\n\r\n') || this.isClosed, 'a head')
    const end = this.text.indexOf('\r\n\r\n')
    if (end === -1)
      throw new Error(`no head before the end: ${JSON.stringify(this.text)} ${this.errorCode ?? ''}`)
    const head = this.text.slice(0, end)
    this.text = this.text.slice(end + 4)
    return parse(head, '', '')
  }

  /** Takes one whole message: by Content-Length, chunks, or, for a response without either, the end of the connection. */
  async message(options: { isHead?: boolean } = {}): Promise<Message> {
    const { head } = await this.head()
    const message = parse(head, '', '')
    const isRequest = message.status === 0
    const length = message.field('content-length')
    if (options.isHead === true || (message.status > 0 && message.status < 200)) return message
    if (message.status === 204 || message.status === 304) return message
    if (message.field('transfer-encoding') === 'chunked') return this.#chunked(head)
    if (length !== null) return parse(head, await this.take(Number(length)), '')
    if (isRequest) return message
    await this.closed()
    return parse(head, this.text, '')
  }

  /** Takes exactly `length` bytes. */
  async take(length: number): Promise<string> {
    await until(
      () => this.text.length >= length || this.isClosed,
      `${length} bytes, have ${this.text.length}`,
    )
    if (this.text.length < length) throw new Error(`cut short: ${this.text.length} of ${length} bytes`)
    const taken = this.text.slice(0, length)
    this.text = this.text.slice(length)
    return taken
  }

  async #chunked(head: string): Promise<Message> {
    let body = ''
    for (;;) {
      const size = Number.parseInt(await this.#line(), 16)
      if (size === 0) break
      body += await this.take(size)
      await this.take(2)
    }
    let trailers = ''
    for (let line = await this.#line(); line !== ''; line = await this.#line()) trailers += `${line}\r\n`
    return parse(head, body, trailers)
  }

  async #line(): Promise<string> {
    await until(() => this.text.includes('\r\n') || this.isClosed, 'a line')
    const end = this.text.indexOf('\r\n')
    if (end === -1) throw new Error(`cut short before a line end: ${JSON.stringify(this.text)}`)
    const line = this.text.slice(0, end)
    this.text = this.text.slice(end + 2)
    return line
  }
}

function parse(head: string, body: string, trailers: string): Message {
  const [startLine = '', ...lines] = head.split('\r\n')
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  const status = startLine.startsWith('HTTP/') ? Number(startLine.split(' ')[1]) : 0
  const field = (name: string): string | null => fields.find(([known]) => known === name)?.[1] ?? null
  return { startLine, status, fields, head, body, trailers, field }
}

/** Opens a raw connection. */
export async function dial(port: number): Promise<Wire> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  return new Wire(socket)
}

/** A raw TCP server: tests take its connections one by one and say what it answers. */
export class RawUpstream {
  readonly #server: Server
  readonly #fresh: Wire[] = []
  readonly all: Wire[] = []

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket) => {
      const wire = new Wire(socket)
      this.#fresh.push(wire)
      this.all.push(wire)
    })
  }

  static async start(): Promise<RawUpstream> {
    const server = createServer({ allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new RawUpstream(server)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Connections that nobody has ended yet. */
  get open(): number {
    return this.all.filter((wire) => !wire.isClosed && !wire.hasEnded).length
  }

  /** The next connection that was not taken yet. */
  async connection(): Promise<Wire> {
    await until(() => this.#fresh.length > 0, 'a connection to the upstream')
    return this.#fresh.shift() as Wire
  }

  /** The next whole request, on whichever connection, and that connection. */
  async request(): Promise<{ wire: Wire; message: Message }> {
    const find = (): Wire | undefined =>
      this.all.find((wire) => !wire.isClosed && wire.text.includes('\r\n\r\n'))
    await until(() => find() !== undefined, 'a request to the upstream')
    const wire = find() as Wire
    return { wire, message: await wire.message() }
  }

  stop(): void {
    for (const { socket } of this.all) socket.destroy()
    this.#server.close()
  }
}
