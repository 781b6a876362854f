import t from 'tap'
import { clientHeaders, upstreamHeaders } from '../proxy/headers/headers.ts'
import { readHead } from '../http/request-head.ts'
import { startGateway } from '../test/gateway.ts'

/** Far above what the work takes, and far below what it took when each field was compared with each name. */
const BOUND_MS = 5000
const MANY = 60_000

function tookMs(work: () => void): number {
  const tick = performance.now()
  work()
  return performance.now() - tick
}

/** Many fields, and Connection fields that name others. */
function headOf(fields: number, tokens: number): string[] {
  const raw = Array.from({ length: fields }, (_, i) => [`x-${i}`, 'a']).flat()
  const names = Array.from({ length: tokens }, (_, i) => `t-${i}`)
  return [...raw, 'Connection', names.join(','), ...names.flatMap((name) => ['Connection', name])]
}

t.test('F3: a head costs in proportion to its size, both ways', async (t) => {
  const raw = headOf(MANY, MANY)
  const head = readHead(raw)
  t.equal(head.connectionTokens?.size, MANY)
  const client = {
    ip: '192.0.2.1',
    proto: 'http',
    host: 'gw',
    forwardedFor: '192.0.2.1',
    base: '',
    isOwnAddress: false,
  }
  const input = {
    head,
    rawHeaders: raw,
    credentialField: null,
    authorization: null,
    client,
    requestId: 'i',
    traceparent: 't',
    via: 'v',
    prefix: '',
    contentLength: -1,
    changes: { set: [], removed: [] },
  }
  t.ok(tookMs(() => void readHead(raw)) < BOUND_MS, 'reading')
  t.ok(tookMs(() => void upstreamHeaders(input)) < BOUND_MS, 'to the upstream')
  // A hostile upstream names all that it sends.
  const response = headOf(MANY, 0).concat(
    Array.from({ length: MANY }, (_, i) => ['Connection', `x-${i}`]).flat(),
  )
  t.ok(tookMs(() => t.same(clientHeaders(response, 200).fields, [])) < BOUND_MS, 'to the client')
  const lists = ['Via', 'TE', 'X-Forwarded-For', 'Forwarded', 'Cookie', 'Accept', 'Vary', 'Trailer']
  const repeated = lists.flatMap((name) => Array.from({ length: MANY / 10 }, () => [name, 'a, b']).flat())
  t.ok(tookMs(() => void readHead(repeated)) < BOUND_MS, 'lists that are joined')
})

t.test('what Connection names is gone, and nothing else, in the order of the rest', async (t) => {
  const { fields } = clientHeaders(
    [
      'A',
      '1',
      'b',
      '2',
      'Connection',
      'B, close',
      'C',
      '3',
      'connection',
      'keep-alive, d',
      'D',
      '4',
      'A',
      '5',
    ],
    200,
  )
  t.same(fields, ['A', '1', 'C', '3', 'A', '5'])
})

for (const hasPlainPath of [true, false]) {
  t.test(
    `F3: a head with too many fields or names is answered 431 before its key is looked at, plain ${hasPlainPath}`,
    async (t) => {
      const headBounds = { maxFields: 20, maxConnectionTokens: 5 }
      const gateway = await startGateway(t, { headBounds, listener: { hasPlainPath } })
      const fields = (n: number): string[] => Array.from({ length: n }, (_, i) => `X-${i}: a`)
      const refused = [
        fields(19), // with Host and Authorization
        ['Connection: a,b,c,d,e,f'],
        ['Connection: a,b,c', 'Connection: d,e,f'],
        [`Connection: a${','.repeat(5)}b`],
      ]
      for (const lines of refused) {
        const client = await gateway.client()
        client.send(gateway.head('GET /r/x HTTP/1.1', ...lines))
        t.equal((await client.message()).status, 431)
        await client.closed()
      }
      const upgrade = await gateway.client()
      upgrade.send(
        gateway.head('GET /r/x HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', ...fields(20)),
      )
      t.equal((await upgrade.message()).status, 431)
      t.same(gateway.directory.lookups, [], 'no key was looked up')
      const good = await gateway.client()
      good.send(gateway.head('GET /r/x HTTP/1.1', 'Connection: keep-alive, a, b, c', ...fields(17)))
      ;(await gateway.upstream.request()).wire.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      t.equal((await good.message()).status, 200)
      const outcome = { outcome: 'bad_request', reason: 'headers_too_large', status: 431, keyId: '' } as const
      await gateway.finish(t, [outcome, outcome, outcome, outcome, outcome, { status: 200 }])
    },
  )
}
