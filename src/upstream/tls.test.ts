import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { LOCALHOST } from '../test/certificates.ts'
import { startGateway, type TestGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

/** No two of its pieces are alike. */
const LARGE = Buffer.from(Uint32Array.from({ length: 4_000_000 }, (_, i) => i).buffer)
const GET = 'GET /r/x HTTP/1.1'
/** Tells the process that trusts the certificate: Node reads NODE_EXTRA_CA_CERTS once, at its start. */
const TRUSTING = 'trusting'
const IS_TRUSTING = process.argv.includes(TRUSTING)

interface Seen {
  readonly connections: Set<number>
  readonly names: Set<string>
  readonly protocols: Set<string>
}

async function startTls(
  t: Test,
  host: string,
): Promise<{ gateway: TestGateway; server: Server; seen: Seen }> {
  const seen: Seen = { connections: new Set(), names: new Set(), protocols: new Set() }
  const server = createServer(
    { key: LOCALHOST.key, cert: LOCALHOST.cert, ALPNProtocols: ['h2', 'http/1.1'] },
    (req, res) => {
      const socket = req.socket as TLSSocket & { servername?: string }
      seen.connections.add(socket.remotePort ?? 0)
      seen.names.add(socket.servername ?? '')
      seen.protocols.add(String(socket.alpnProtocol))
      let received = 0
      req.on('data', (data: Buffer) => (received += data.length))
      req.on('end', () => {
        if (req.url === '/large') res.end(LARGE)
        else if (req.url === '/cut') {
          res.writeHead(200, { 'Content-Length': 100 })
          res.write('half', () => socket.destroy())
        } else res.end(`got ${received}`)
      })
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const upstream = { origin: `https://${host}:${port}`, path: '/', authorization: null }
  const gateway = await startGateway(t, { routes: [{ upstream }] })
  return { gateway, server, seen }
}

if (!IS_TRUSTING) {
  t.test('a certificate that nobody vouches for is refused', async (t) => {
    const { gateway, seen } = await startTls(t, 'localhost')
    const client = await gateway.client()
    client.send(gateway.head(GET))
    t.equal((await client.message()).status, 502)
    t.equal(seen.connections.size, 0)
    await gateway.finish(t, [{ outcome: 'upstream_refused', reason: 'tls', status: 502 }])
  })

  t.test('with a certificate that is trusted', { timeout: 60_000 }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'waybill-tls-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'certificate.pem')
    writeFileSync(file, LOCALHOST.cert)
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: file }
    const [code, text] = await new Promise<[unknown, string]>((resolve) => {
      execFile(
        process.execPath,
        [fileURLToPath(import.meta.url), TRUSTING],
        { env },
        (error, stdout, stderr) => {
          resolve([error === null ? 0 : error.code, stdout + stderr])
        },
      )
    })
    t.equal(code, 0, text)
    t.match(text, /ok 3 - a TLS response that is cut/)
  })
} else {
  t.test('TLS upstreams are named, speak HTTP/1.1, and their connections are kept', async (t) => {
    const { gateway, seen } = await startTls(t, 'localhost')
    const client = await gateway.client()
    client.send(gateway.head(GET))
    t.equal((await client.message()).body, 'got 0')
    client.send(gateway.head('POST /r/x HTTP/1.1', 'Content-Length: 300000') + 'x'.repeat(300_000))
    t.equal((await client.message()).body, 'got 300000')
    client.socket.pause()
    client.send(gateway.head('GET /r/large HTTP/1.1'))
    await until(() => [...gateway.handler.exchanges][0]?.isClientBlocked === true, 'the client to block')
    client.socket.resume()
    t.ok(
      Buffer.from((await client.message()).body, 'latin1').equals(LARGE),
      'a large body, with a stall in it',
    )
    t.equal(seen.connections.size, 1)
    t.same([...seen.names], ['localhost'])
    t.same([...seen.protocols], ['http/1.1'])
    await gateway.finish(t, [
      { status: 200 },
      { status: 200, bytesReceived: 300_000 },
      { bytesSent: LARGE.length },
    ])
  })

  t.test('a certificate for another name is refused', async (t) => {
    const { gateway } = await startTls(t, '127.0.0.1')
    const client = await gateway.client()
    client.send(gateway.head(GET))
    t.equal((await client.message()).status, 502)
    await gateway.finish(t, [{ outcome: 'upstream_refused', reason: 'tls', status: 502 }])
  })

  t.test('a TLS response that is cut is cut to the client', async (t) => {
    const { gateway } = await startTls(t, 'localhost')
    const client = await gateway.client()
    client.send(gateway.head('GET /r/cut HTTP/1.1'))
    await client.closed()
    await gateway.finish(t, [{ outcome: 'upstream_reset', reason: 'truncated', status: 200, bytesSent: 4 }])
  })
}
