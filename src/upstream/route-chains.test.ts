import t from 'tap'
import { startGateway, testRoute, type TestGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'
import type { Dispatcher, Interceptor } from './dispatcher.ts'
import {
  NOT_QUEUED,
  type Dispatched,
  type ResponseReceiver,
  type ResponseSource,
  type UpstreamRequest,
} from './request.ts'

const GET = 'GET /r/x HTTP/1.1'

/** Where a response comes from that is in memory: `hold` need not copy, and there is nothing to hold back. */
class MemorySource implements ResponseSource {
  readonly isUpstream: boolean
  readonly #onAbort: (error: Error) => void

  constructor(isUpstream: boolean, onAbort: (error: Error) => void) {
    this.isUpstream = isUpstream
    this.#onAbort = onAbort
  }

  resume(): void {}

  hold(bytes: Buffer): Buffer {
    return bytes
  }

  abort(error: Error): void {
    this.#onAbort(error)
  }
}

/** Passes a response on in capitals, with three exclamation marks, once it is whole. */
class Louder implements ResponseReceiver {
  readonly #to: ResponseReceiver
  readonly #pieces: Buffer[] = []
  #head: { status: number; fields: string[]; statusText: string } | null = null

  constructor(to: ResponseReceiver) {
    this.#to = to
  }

  onConnect(source: ResponseSource): boolean {
    return this.#to.onConnect(new MemorySource(true, (error) => source.abort(error)))
  }

  onHeaders(status: number, fields: string[], statusText: string): void {
    if (status < 200) this.#to.onHeaders(status, fields, statusText)
    else this.#head = { status, fields, statusText }
  }

  onData(bytes: Buffer): boolean {
    this.#pieces.push(Buffer.from(bytes))
    return true
  }

  onPause(): void {}

  onEnd(trailers: string[], isCut: boolean): void {
    const { status, fields, statusText } = this.#head ?? { status: 0, fields: [], statusText: '' }
    const body = Buffer.from(`${Buffer.concat(this.#pieces).toString().toUpperCase()}!!!`)
    const kept: string[] = ['Content-Length', String(body.length), 'X-Loud', 'yes']
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] ?? ''
      if (!['content-length', 'transfer-encoding', 'etag'].includes(name.toLowerCase()))
        kept.push(name, fields[i + 1] ?? '')
    }
    this.#to.onHeaders(status, kept, statusText)
    this.#to.onData(body, true)
    this.#to.onEnd(trailers, isCut)
  }

  onError(error: NodeJS.ErrnoException, isUnheard: boolean): void {
    this.#to.onError(error, isUnheard)
  }

  moved(): number {
    return this.#to.moved()
  }

  movingSince(): number {
    return this.#to.movingSince()
  }

  giveWay(): void {
    this.#to.giveWay()
  }
}

/** Of the route `r` alone. */
const louder: Interceptor = (next, route) => {
  if (route.name !== 'r') return next
  const step: Dispatcher = {
    dispatch: (request, receiver) => next.dispatch(request, new Louder(receiver)),
  }
  return step
}

/** Answers with what it was given at first, and asks nobody. */
function cacheOf(body: Buffer): Interceptor {
  return () => ({
    dispatch(_request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
      let isAborted = false
      const source = new MemorySource(false, (error) => {
        isAborted = true
        receiver.onError(error, false)
      })
      if (!receiver.onConnect(source)) return NOT_QUEUED
      receiver.onHeaders(200, ['Content-Length', String(body.length), 'Age', '7'], 'OK')
      receiver.onData(body, true)
      if (!isAborted) receiver.onEnd([], false)
      return NOT_QUEUED
    },
  })
}

for (const hasPlainPath of [true, false]) {
  const path = hasPlainPath ? 'plain' : "by Node's server"

  t.test(`a step of a route changes the head and the body of a response, ${path}`, async (t) => {
    const gateway = await startGateway(t, {
      interceptors: [louder],
      routes: [{}, { name: 'other', path: '/o/' }],
      listener: { hasPlainPath },
    })
    const client = await gateway.client()
    client.send(gateway.head(GET))
    const { wire } = await gateway.upstream.request()
    wire.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
    t.equal((await client.head()).status, 103)
    wire.send('HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nETag: "a"\r\nX-A: b\r\n\r\n')
    wire.send('5\r\nhello\r\n0\r\n\r\n')
    const loud = await client.message()
    t.equal(loud.startLine, 'HTTP/1.1 200 Fine')
    t.equal(loud.body, 'HELLO!!!')
    t.equal(loud.field('content-length'), '8')
    t.equal(loud.field('x-loud'), 'yes')
    t.equal(loud.field('x-a'), 'b')
    t.equal(loud.field('etag'), null)
    client.send(gateway.head('GET /o/x HTTP/1.1'))
    ;(await gateway.upstream.request()).wire.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
    const other = await client.message()
    t.equal(other.body, 'hello', 'the other route has no such step')
    await gateway.finish(t, [
      { status: 200, outcome: 'forwarded', route: 'r', bytesSent: 8 },
      { status: 200, outcome: 'forwarded', route: 'other', bytesSent: 5 },
    ])
    t.equal(gateway.counters.route('r').bytesSent, 8)
  })

  t.test(`a step answers, and no upstream is asked, ${path}`, async (t) => {
    const body = Buffer.alloc(20_000, 'c')
    const gateway = await startGateway(t, {
      interceptors: [cacheOf(body)],
      routes: [{ rateLimit: { perSecond: 0.01, burst: 2 } }],
      listener: { hasPlainPath },
    })
    const client = await gateway.client()
    client.send(gateway.head(GET))
    const first = await client.message()
    t.equal(first.body, body.toString())
    t.equal(first.field('age'), '7')
    t.ok(first.field('x-request-id'))
    client.send(gateway.head('GET /r/y HTTP/1.1'))
    t.equal((await client.message()).body, body.toString())
    client.send(gateway.head(GET))
    t.equal((await client.message()).status, 429)
    t.equal(gateway.upstream.all.length, 0)
    t.same(gateway.pools.stats, [], 'nor has it a pool')
    const answered = {
      status: 200,
      outcome: 'forwarded',
      bytesSent: 20_000,
      upstream: '',
      upstreamUs: -1,
    } as const
    await gateway.finish(t, [answered, answered, { status: 429, reason: 'route_rate' }])
    t.equal(gateway.counters.route('r').bytesSent, 40_000 + (gateway.entries[2]?.bytesSent ?? 0))
  })

  t.test(`a failure, a limit and a client's end go through a route's steps, ${path}`, async (t) => {
    const gateway = await startGateway(t, {
      interceptors: [louder, louder],
      routes: [{ headerTimeoutMs: 300, maxConnections: 1, maxQueued: 0 }],
      listener: { hasPlainPath },
    })
    const client = await gateway.client()
    client.send(gateway.head(GET))
    const { wire } = await gateway.upstream.request()
    const other = await gateway.client()
    other.send(gateway.head(GET))
    t.equal((await other.message()).status, 503)
    wire.reset()
    t.equal((await client.message()).status, 502)
    client.send(gateway.head(GET))
    const slow = await gateway.upstream.request()
    t.equal((await client.message()).status, 504)
    await slow.wire.closed()
    client.send(gateway.head(GET))
    const last = await gateway.upstream.request()
    client.reset()
    await last.wire.closed()
    await gateway.finish(t, [
      { outcome: 'overloaded', reason: 'queue_full', status: 503 },
      { outcome: 'upstream_reset', reason: 'connection_reset', status: 502 },
      { outcome: 'upstream_timeout', reason: 'response_timeout', status: 504 },
      { outcome: 'client_closed', status: 499 },
    ])
  })
}

t.test('the first step is the outermost, and a reload composes anew', async (t) => {
  const order: string[] = []
  const named =
    (name: string): Interceptor =>
    (next, route) => ({
      dispatch: (request, receiver) => {
        order.push(`${name} of ${route.path}`)
        return next.dispatch(request, receiver)
      },
    })
  const gateway = await startGateway(t, { interceptors: [named('a'), named('b')] })
  const client = await gateway.client()
  client.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  gateway.setRoutes([testRoute(gateway.upstream.port, { path: '/s/' })])
  wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.equal((await client.message()).body, 'ok')
  client.send(gateway.head('GET /s/x HTTP/1.1'))
  ;(await gateway.upstream.request()).wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.equal((await client.message()).body, 'ok')
  t.same(order, ['a of /r/', 'b of /r/', 'a of /s/', 'b of /s/'])
  await gateway.finish(t, [{ status: 200 }, { status: 200 }])
})

/** Keeps a response, as what the background sends needs it. */
class Kept implements ResponseReceiver {
  status = 0
  text = ''
  error: NodeJS.ErrnoException | null = null
  isOver = false

  onConnect(): boolean {
    return true
  }

  onHeaders(status: number): void {
    this.status = status
  }

  onData(bytes: Buffer): boolean {
    this.text += bytes.toString()
    return true
  }

  onPause(): void {}

  onEnd(): void {
    this.isOver = true
  }

  onError(error: NodeJS.ErrnoException): void {
    this.error = error
    this.isOver = true
  }

  moved(): number {
    return -1
  }

  movingSince(): number {
    return 0
  }

  giveWay(): void {}
}

function delivery(
  gateway: TestGateway,
  origin = `http://127.0.0.1:${gateway.upstream.port}`,
): UpstreamRequest {
  const body = Buffer.from('{"event":"push"}')
  return {
    route: gateway.handler.routes.routes[0] ?? testRoute(gateway.upstream.port),
    origin,
    standing: 'upstream',
    holder: 'acme',
    tick: performance.now(),
    method: 'POST',
    path: '/hook',
    headers: ['content-type', 'application/json', 'content-length', String(body.length)],
    contentLength: body.length,
    host: null,
    isBoundToConnection: false,
    notes: null,
    asked: null,
    body,
  }
}

t.test('the background dispatches without a client, and shares the places of the route', async (t) => {
  const gateway = await startGateway(t, {
    interceptors: [louder],
    routes: [{ maxConnections: 1, maxQueued: 1 }],
  })
  const [first, second, third] = [new Kept(), new Kept(), new Kept()]
  gateway.chains.dispatch(delivery(gateway), first)
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.startLine, 'POST /hook HTTP/1.1')
  t.equal(message.body, '{"event":"push"}')
  const place = gateway.chains.dispatch(delivery(gateway), second)
  gateway.chains.dispatch(delivery(gateway), third)
  t.match(third.error, { code: 'WAYBILL_QUEUE_FULL' })
  const client = await gateway.client()
  client.send(gateway.head(GET))
  t.equal((await client.message()).status, 503, 'clients and deliveries are one queue')
  t.equal(place.leave(), true)
  wire.send('HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok')
  await until(() => first.isOver, 'the delivery')
  t.match(first, { status: 202, text: 'OK!!!', error: null })
  t.equal(second.isOver, false, 'nothing is told of what was given up')
  t.match(gateway.pools.stats, [{ busy: 0, idle: 1, queued: 0 }])
  await gateway.finish(t, [{ outcome: 'overloaded', reason: 'queue_full' }])
})

t.test('what cannot be reached is told by code', async (t) => {
  const gateway = await startGateway(t, { maxPools: 1 })
  const [disguised, busy, refused] = [new Kept(), new Kept(), new Kept()]
  gateway.chains.dispatch(delivery(gateway, 'http://2130706433'), disguised)
  t.match(disguised.error, { code: 'WAYBILL_UPSTREAM_ADDRESS' })
  gateway.chains.dispatch(delivery(gateway), busy)
  const { wire } = await gateway.upstream.request()
  gateway.chains.dispatch(delivery(gateway, 'http://example.test'), refused)
  t.match(refused.error, { code: 'WAYBILL_TOO_MANY_UPSTREAMS' })
  wire.reset()
  await until(() => busy.isOver, 'the failure')
  t.match(busy.error, { code: 'ECONNRESET' })
  await gateway.finish(t, [])
})
