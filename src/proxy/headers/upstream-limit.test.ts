import t from 'tap'
import { startGateway } from '../../test/gateway.ts'

t.test('what an upstream says of its limit stands in the entry, and reaches the client', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  const answered = async (status: string, ...fields: string[]) => {
    client.send(gateway.head('GET /r/x HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    wire.send(
      `HTTP/1.1 ${status}\r\nContent-Length: 0\r\n${fields.map((line) => `${line}\r\n`).join('')}\r\n`,
    )
    return client.message()
  }
  const limited = await answered('200 OK', 'RateLimit-Limit: 100;w=21600', 'RateLimit-Remaining: 42;w=21600')
  t.equal(limited.field('ratelimit-limit'), '100;w=21600')
  t.equal((await answered('429 Too Many Requests', 'Retry-After: 7')).status, 429)
  await answered('302 Found', 'Retry-After: 7', 'Location: https://cdn.example/')
  await answered('200 OK')
  await gateway.finish(t, [
    { status: 200, upstreamLimit: 'limit=100;remaining=42;window=21600' },
    { status: 429, upstreamLimit: 'retry=7' },
    { status: 302, upstreamLimit: '' },
    { status: 200, upstreamLimit: '' },
  ])
})

t.test(
  'the time at which a limit begins anew is counted from the request, whatever the wall clock says',
  async (t) => {
    const startedAtMs = 1_732_699_970_000
    const gateway = await startGateway(t, { now: () => startedAtMs })
    const client = await gateway.client()
    client.send(gateway.head('GET /r/x HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nRateLimit-Reset: 30\r\n\r\n')
    await client.message()
    await gateway.finish(t, [{ status: 200 }])
    const reset = Number(/^reset=(\d+)$/.exec(gateway.entries[0]?.upstreamLimit ?? '')?.[1])
    const laterMs = reset * 1000 - startedAtMs
    t.ok(laterMs >= 30_000 && laterMs < 3_600_000, `${laterMs} ms after the request came`)
  },
)
