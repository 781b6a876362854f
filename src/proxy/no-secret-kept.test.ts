import { getHeapSnapshot } from 'node:v8'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { KEY_LENGTH, mintKey } from '../model/api-key.ts'
import { startGateway, type TestGateway } from '../test/gateway.ts'

/** What has the form of a whole key. */
const KEY = /wb_[0-9a-z]{12}_[0-9A-Za-z]{38}/g

/** Plain requests, and one that Node's server reads. */
const WAYS = [
  [true, 'Content-Length: 2', 'hi'],
  [false, 'Content-Length: 2', 'hi'],
  [true, 'Transfer-Encoding: chunked', '0\r\n\r\n'],
] as const

/** Requests with keys that exist and that do not, each in another place, on connections that stay; nobody holds the keys afterwards. */
async function useKeys(t: Test): Promise<TestGateway> {
  const gateway = await startGateway(t)
  for (const place of ['Authorization: Bearer ', 'Authorization: ', 'X-Api-Key: ']) {
    for (const [isKnown, more, body] of WAYS) {
      const key = mintKey()
      if (isKnown) gateway.directory.key(key, { tenant: 'acme' })
      const client = await gateway.client()
      client.send(`POST /r/x HTTP/1.1\r\nHost: gw\r\n${place}${key.text}\r\n${more}\r\n\r\n${body}`)
      if (isKnown) (await gateway.upstream.request()).wire.send('HTTP/1.1 204 No\r\n\r\n')
      t.equal((await client.message()).status, isKnown ? 204 : 401)
      await gateway.quiet()
    }
  }
  return gateway
}

t.test('A3: no whole key is kept in memory once its request has been answered', async (t) => {
  t.equal(mintKey().text.length, KEY_LENGTH)
  t.match(mintKey().text, KEY, 'the form is that of a key')
  const gateway = await useKeys(t)
  t.equal(gateway.listener.connections, 9, 'connections stay')
  const heap = await text(getHeapSnapshot())
  // The test's own gateway has a key of which it knows the text.
  t.same(new Set(heap.match(KEY)), new Set([gateway.key.text]))
})
