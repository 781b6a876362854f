import t from 'tap'
import type { IdempotencyRules } from '../../model/idempotency/idempotency-rules.ts'
import type { CallBook, Claimed, HeldCall, KeptAnswer } from '../../model/idempotency/kept-calls.ts'
import { startGateway, type TestGateway } from '../../test/gateway.ts'
import { until } from '../../test/wire.ts'

const MIB = 1024 * 1024
const RULES: IdempotencyRules = {
  methods: ['POST'],
  required: false,
  ttlMs: 60_000,
  maxRequestBytes: MIB,
  maxAnswerBytes: 4 * MIB,
  whenUnknown: 'refuse',
}
const POST = ['POST /r/x HTTP/1.1', 'Idempotency-Key: k', 'Content-Length: 0'] as const
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Tells what the test has it tell, and keeps what it is told. */
class Book implements CallBook {
  readonly kept: (KeptAnswer | null)[] = []
  released = 0
  claims: () => Promise<Claimed> = () => Promise.resolve({ kind: 'first', held: this.held })
  readonly held: HeldCall = {
    keep: async (answer) => {
      this.kept.push(answer)
    },
    release: async () => {
      this.released++
    },
  }

  claim(): Promise<Claimed> {
    return this.claims()
  }
}

async function scene(
  t: Parameters<typeof startGateway>[0],
  more: object = {},
): Promise<{ readonly book: Book; readonly gateway: TestGateway }> {
  const book = new Book()
  const gateway = await startGateway(t, { calls: book, routes: [{ idempotency: RULES, ...more }] })
  return { book, gateway }
}

t.test(
  'answers that are repeated are held up to a bound, however slowly their clients take them',
  async (t) => {
    const { book, gateway } = await scene(t)
    const answer = { status: 200, fields: [], body: Buffer.alloc(4 * MIB) }
    book.claims = () => Promise.resolve({ kind: 'answered', answer })
    const slow = []
    for (let n = 1; n <= 16; n++) {
      const client = await gateway.client()
      client.socket.pause()
      client.send(gateway.head(...POST))
      slow.push(client)
      await until(() => gateway.handler.exchanges.size === n, 'it to come')
    }
    const client = await gateway.client()
    client.send(gateway.head(...POST))
    t.equal((await client.message()).status, 503)
    for (const { socket } of slow) socket.destroy()
    await gateway.quiet()
    client.send(gateway.head(...POST))
    t.equal((await client.message()).status, 200)
    await gateway.finish(t, [
      { outcome: 'overloaded', reason: 'bodies_full' },
      ...Array.from({ length: 16 }, () => ({ outcome: 'client_closed' }) as const),
      { outcome: 'answered', reason: 'replayed' },
    ])
  },
)

t.test(
  'a repeated 304 says nothing of a length, and one on a kept connection is followed by the next',
  async (t) => {
    const { book, gateway } = await scene(t)
    const client = await gateway.client()
    for (const status of [304, 204, 200]) {
      const answer = { status, fields: ['ETag', '"1"'], body: Buffer.alloc(0) }
      book.claims = () => Promise.resolve({ kind: 'answered', answer })
      client.send(gateway.head(...POST))
      const { head, status: told } = await client.message()
      t.equal(told, status)
      t.match(head, /idempotent-replayed: true/i)
      t.equal(/content-length/i.test(head), status === 200, `${status}`)
    }
    await gateway.finish(t, [{ status: 304 }, { status: 204 }, { status: 200, reason: 'replayed' }])
  },
)

t.test('an answer in a hundred thousand pieces is kept whole', async (t) => {
  const { book, gateway } = await scene(t)
  const client = await gateway.client()
  client.send(gateway.head(...POST))
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
  wire.send(`${'1\r\na\r\n'.repeat(100_000)}0\r\n\r\n`)
  const { body } = await client.message()
  t.equal(body, 'a'.repeat(100_000))
  t.equal(book.kept[0]?.body.toString(), body)
  await gateway.finish(t, [{ status: 200, bytesSent: 100_000 }])
})

t.test('what its client does not wait for is let go of, once its key is there', async (t) => {
  const { book, gateway } = await scene(t)
  let tell = (_claimed: Claimed): void => {}
  book.claims = () => new Promise((resolve) => (tell = resolve))
  const client = await gateway.client()
  client.send(gateway.head(...POST))
  await until(() => gateway.handler.exchanges.size === 1, 'it to come')
  client.reset()
  await gateway.entry()
  tell({ kind: 'first', held: book.held })
  await until(() => book.released > 0, 'its key to be free')
  await gateway.finish(t, [{ outcome: 'client_closed', upstream: '' }])
})

t.test('the time in the queue counts from when its key was there', async (t) => {
  const { book, gateway } = await scene(t, { maxConnections: 1 })
  const [first, second] = [await gateway.client(), await gateway.client()]
  first.send(gateway.head('GET /r/first HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  let tell = (_claimed: Claimed): void => {}
  book.claims = () => new Promise((resolve) => (tell = resolve))
  second.send(gateway.head(...POST))
  await until(() => gateway.handler.exchanges.size === 2, 'it to come')
  const tick = performance.now()
  tell({ kind: 'first', held: book.held })
  await until(() => gateway.pools.stats[0]?.queued === 1, 'it to wait for a place')
  const waiting = [...gateway.handler.exchanges].find(({ req }) => req.method === 'POST')
  t.ok((waiting?.activeTick ?? 0) >= tick)
  wire.send(OK)
  const next = await gateway.upstream.request()
  next.wire.send(OK)
  t.equal((await second.message()).status, 200)
  await gateway.finish(t, [{ method: 'GET' }, { method: 'POST', status: 200 }])
})
