import fc from 'fast-check'
import t from 'tap'
import { fingerprintOf } from './fingerprint.ts'
import { isKeptStatus, isStream, keptFields } from './kept-answer.ts'

t.test('answers that ask for another try are not kept', (t) => {
  for (const status of [200, 201, 204, 301, 304, 400, 403, 404, 410, 422])
    t.ok(isKeptStatus(status), `${status}`)
  for (const status of [401, 408, 409, 421, 423, 425, 429, 500, 502, 503, 504, 599])
    t.notOk(isKeptStatus(status), `${status}`)
  t.end()
})

t.test('fields of the connection, and of the one client, are not kept', (t) => {
  const fields = ['Content-Type', 'a/b', 'Set-Cookie', 's=1', 'Connection', 'x-hop, close', 'X-Hop', '1']
  const more = ['transfer-encoding', 'chunked', 'X-RateLimit-Remaining', '3', 'Date', 'then', 'ETag', '"1"']
  t.same(keptFields([...fields, ...more]), ['Content-Type', 'a/b', 'Date', 'then', 'ETag', '"1"'])
  t.same(keptFields(['Idempotent-Replayed', 'true']), [], 'an upstream that heeds keys itself')
  t.equal(keptFields(['X-Large', 'x'.repeat(16 * 1024)]), null)
  t.end()
})

t.test('a stream is told by its type', (t) => {
  t.ok(isStream(['content-TYPE', 'Text/Event-Stream; charset=utf-8']))
  t.notOk(isStream(['Content-Type', 'text/event-streams']))
  t.notOk(isStream(['X-Type', 'text/event-stream']))
  t.end()
})

t.test('fingerprints are the same of the same request alone', (t) => {
  const request = fc.tuple(fc.constantFrom('POST', 'PUT'), fc.string(), fc.uint8Array({ maxLength: 8 }))
  fc.assert(
    fc.property(request, request, (one, other) => {
      const [a, b] = [one, other].map(([method, target, body]) =>
        fingerprintOf(method, target, Buffer.from(body)),
      )
      const isSame = JSON.stringify(one) === JSON.stringify(other)
      return a?.equals(b ?? Buffer.alloc(0)) === isSame
    }),
  )
  t.end()
})
