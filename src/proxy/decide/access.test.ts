import t, { type Test } from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { startGateway, type TestGateway } from '../../test/gateway.ts'

const DOWNLOAD = '{"operation":"download","objects":[]}'
const UPLOAD = '{"operation":"upload","objects":[]}'

/** A batch request by a key that may only read. */
async function batch(
  t: Test,
  gateway: TestGateway,
  body: string,
  style: 'whole' | 'late' | 'chunked',
): Promise<number> {
  const key = mintKey()
  gateway.directory.key(key, { scopeList: ['r:read'] })
  const client = await gateway.client()
  const length = style === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`
  const head = `POST /r/a.git/info/lfs/objects/batch HTTP/1.1\r\nHost: gw\r\nX-Api-Key: ${key.text}\r\nContent-Type: application/vnd.git-lfs+json\r\n${length}\r\n\r\n`
  if (style === 'whole') {
    client.send(head + body)
  } else {
    client.send(head + (style === 'chunked' ? '1\r\n{\r\n' : body.slice(0, 5)))
    await new Promise((resolve) => setImmediate(resolve))
    client.send(style === 'chunked' ? '0\r\n\r\n' : body.slice(5))
  }
  if (body === DOWNLOAD && style !== 'chunked') {
    const { wire, message } = await gateway.upstream.request()
    t.equal(message.field('content-length'), String(body.length))
    t.equal(message.body, body)
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  }
  return (await client.message()).status
}

t.test('R24: git lfs pull works with a key that reads, push does not', async (t) => {
  const gateway = await startGateway(t, { routes: [{ kind: 'git' }] })
  t.equal(await batch(t, gateway, DOWNLOAD, 'whole'), 200)
  t.equal(await batch(t, gateway, UPLOAD, 'whole'), 403)
  t.equal(await batch(t, gateway, DOWNLOAD, 'late'), 200)
  t.equal(await batch(t, gateway, UPLOAD, 'late'), 403)
  t.equal(await batch(t, gateway, DOWNLOAD, 'chunked'), 403, 'of a length that nobody knows')
  const [read, refused] = [
    { status: 200, bytesReceived: DOWNLOAD.length },
    { status: 403, reason: 'scope' as const },
  ]
  await gateway.finish(t, [read, refused, read, refused, refused])
})

t.test('E2: a WebSocket needs a scope that writes', async (t) => {
  const gateway = await startGateway(t)
  const key = mintKey()
  gateway.directory.key(key, { scopeList: ['r:read'] })
  const client = await gateway.client()
  client.send(
    `GET /r/x HTTP/1.1\r\nHost: gw\r\nX-Api-Key: ${key.text}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  )
  t.equal((await client.message()).status, 403)
  await gateway.finish(t, [{ status: 403, reason: 'scope' }])
})
