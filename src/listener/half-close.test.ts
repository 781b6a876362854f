import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startGateway, type TestGateway } from '../test/gateway.ts'
import { until, type Wire } from '../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'

/** Waits until the gateway has seen that the client sends no more. */
async function untilSeen(gateway: TestGateway): Promise<void> {
  const hasEnded = (): boolean => [...gateway.listener.open].every(({ endedTick }) => endedTick < Infinity)
  await until(hasEnded, 'the gateway to see the end')
}

/** Requests of every kind, what is sent of each before the client ends its side, and the status line of the answer. */
const KINDS: Readonly<Record<string, (gateway: TestGateway) => string>> = {
  'without a body': (g) => g.head('GET /r/x HTTP/1.1'),
  'that says it is the last': (g) => g.head('GET /r/x HTTP/1.1', 'Connection: close'),
  'of HTTP/1.0': (g) => g.head('GET /r/x HTTP/1.0'),
  'with a body by length': (g) => `${g.head('POST /r/x HTTP/1.1', 'Content-Length: 3')}abc`,
  'with a body in chunks': (g) =>
    `${g.head('POST /r/x HTTP/1.1', 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\n\r\n`,
  'with an Upgrade that is ignored': (g) =>
    g.head('GET /r/x HTTP/1.1', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AA'),
}

for (const hasPlainPath of [true, false]) {
  const path = hasPlainPath ? 'plain' : "by Node's server"
  for (const [kind, requestOf] of Object.entries(KINDS)) {
    t.test(`R01: a request ${kind} is answered after its client has ended its side, ${path}`, async (t) => {
      const gateway = await startGateway(t, { listener: { hasPlainPath } })
      const client = await gateway.client()
      client.end(requestOf(gateway))
      const { wire } = await gateway.upstream.request()
      await untilSeen(gateway)
      wire.send(OK)
      const message = await client.message()
      t.equal(message.body, 'ok')
      t.equal(message.field('connection'), 'close')
      await client.closed()
      await gateway.finish(t, [{ status: 200, outcome: 'forwarded', bytesSent: 2 }])
    })
  }

  t.test(
    `R01: the end may come at once with the request, and before the upstream has it, ${path}`,
    async (t) => {
      const gateway = await startGateway(t, {
        routes: [{ maxConnections: 1, maxQueued: 4 }],
        listener: { hasPlainPath },
      })
      const clients: Wire[] = []
      for (let i = 0; i < 3; i++) {
        const client = await gateway.client()
        client.end(gateway.head('GET /r/x HTTP/1.1'))
        clients.push(client)
      }
      await until(() => gateway.counters.inFlight === 3, 'all of them')
      await untilSeen(gateway)
      for (const _ of clients) (await gateway.upstream.request()).wire.send(OK)
      for (const client of clients) t.equal((await client.message()).body, 'ok')
      await gateway.finish(t, [{ status: 200 }, { status: 200 }, { status: 200 }])
    },
  )

  t.test(`R01: an answer that is under way goes on when the client ends its side, ${path}`, async (t) => {
    const gateway = await startGateway(t, { listener: { hasPlainPath } })
    const client = await gateway.client()
    client.send(gateway.head('GET /r/x HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    wire.send(`${CHUNKED}3\r\nabc\r\n`)
    await client.holds('abc')
    client.end()
    await untilSeen(gateway)
    wire.send('3\r\ndef\r\n0\r\n\r\n')
    t.equal((await client.message()).body, 'abcdef')
    await client.closed()
    await gateway.finish(t, [{ status: 200, outcome: 'forwarded', bytesSent: 6 }])
  })

  t.test(`R01: pipelined requests are all answered, in order, ${path}`, async (t) => {
    const gateway = await startGateway(t, { listener: { hasPlainPath } })
    const client = await gateway.client()
    client.end([1, 2, 3].map((n) => gateway.head(`GET /r/${n} HTTP/1.1`)).join(''))
    for (let i = 0; i < 3; i++) {
      const { wire, message } = await gateway.upstream.request()
      const name = /\/(\d)/.exec(message.startLine)?.[1] ?? ''
      wire.send(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${name}`)
    }
    for (const body of ['1', '2', '3']) t.equal((await client.message()).body, body)
    await client.closed()
    await gateway.finish(t, [{ status: 200 }, { status: 200 }, { status: 200 }])
  })

  t.test(`R01: one that comes while another is answered is answered as well, ${path}`, async (t) => {
    const gateway = await startGateway(t, { listener: { hasPlainPath } })
    const client = await gateway.client()
    client.send(gateway.head('GET /r/1 HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    client.end(gateway.head('GET /r/2 HTTP/1.1'))
    wire.send(OK)
    t.equal((await client.message()).body, 'ok')
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await client.message()).body, 'ok')
    await client.closed()
    await gateway.finish(t, [
      { path: '/r/1', status: 200 },
      { path: '/r/2', status: 200 },
    ])
  })

  for (const [part, sent] of [
    ['head', 'GET /r/2 HTTP/1.1\r\nHost'],
    ['body', null],
  ] as const) {
    t.test(
      `R01: an end within a request's ${part} aborts it, and those before it are answered, ${path}`,
      async (t) => {
        const gateway = await startGateway(t, { listener: { hasPlainPath } })
        const client = await gateway.client()
        const second = sent ?? `${gateway.head('POST /r/2 HTTP/1.1', 'Content-Length: 9')}half`
        client.end(gateway.head('GET /r/1 HTTP/1.1') + second)
        const first = await gateway.upstream.request()
        await untilSeen(gateway)
        first.wire.send(OK)
        t.equal((await client.message()).body, 'ok')
        await client.closed()
        const aborted = { path: '/r/2', status: 499, outcome: 'client_closed' as const }
        await gateway.finish(t, [{ path: '/r/1', status: 200 }, ...(sent === null ? [aborted] : [])])
      },
    )
  }

  t.test(
    `R01: a client that is in fact gone is noticed while its answer is waited for, ${path}`,
    async (t) => {
      const gateway = await startGateway(t, { listener: { hasPlainPath, halfClosedIdleMs: 100 } })
      const client = await gateway.client()
      client.send(gateway.head('GET /r/x HTTP/1.1'))
      const { wire } = await gateway.upstream.request()
      client.socket.destroy()
      await wire.closed()
      await gateway.finish(t, [{ outcome: 'client_closed', status: 499, bytesSent: 0 }])
    },
  )

  t.test(`R01: a client that is in fact gone is noticed when its answer is written, ${path}`, async (t) => {
    const gateway = await startGateway(t, { listener: { hasPlainPath, halfClosedIdleMs: 60_000 } })
    const client = await gateway.client()
    client.send(gateway.head('GET /r/x HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    client.socket.destroy()
    await untilSeen(gateway)
    wire.send(`HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n${'x'.repeat(500_000)}`)
    while (!wire.isClosed && !wire.hasEnded) {
      wire.send('x'.repeat(100_000))
      await sleep(1)
    }
    await gateway.finish(t, [{ outcome: 'client_closed', status: 200 }])
  })

  t.test(`R01: one that waits for long is asked whether it is there, and answered, ${path}`, async (t) => {
    const gateway = await startGateway(t, { listener: { hasPlainPath, halfClosedIdleMs: 100 } })
    const client = await gateway.client()
    client.end(gateway.head('GET /r/x HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    t.match(await client.head(), { status: 100 })
    t.match(await client.head(), { status: 100 })
    wire.send(OK)
    let message = await client.message()
    while (message.status === 100) message = await client.message()
    t.equal(message.body, 'ok')
    await gateway.finish(t, [{ outcome: 'forwarded', status: 200 }])
  })

  t.test(`R01: a client of HTTP/1.0 is sent nothing before its answer, ${path}`, async (t) => {
    const gateway = await startGateway(t, { listener: { hasPlainPath, halfClosedIdleMs: 1 } })
    const client = await gateway.client()
    client.end(gateway.head('GET /r/x HTTP/1.0'))
    const { wire } = await gateway.upstream.request()
    await untilSeen(gateway)
    await sleep(600) // two looks of the listener's clock
    wire.send(OK)
    t.equal((await client.message()).status, 200)
    await gateway.finish(t, [{ outcome: 'forwarded', status: 200 }])
  })
}

t.test('R01: a connection that was closed without a request leaves nothing', async (t: Test) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.end()
  await client.closed()
  await gateway.finish(t, [])
})
