import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { B_EXAMPLE, LOCALHOST, type TestCertificate } from './harness/certificates.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { testFolder } from './harness/product.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

for (const workers of [1, 2]) {
  t.test(`R18: TLS, and certificates that change while it runs, workers ${workers}`, async (t) => {
    const db = await testDatabase(t)
    const upstream = await startUpstream(t)
    const folder = await testFolder(t)
    const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
    const replace = async ({ cert, key }: TestCertificate): Promise<void> => {
      await writeFile(files.cert, cert)
      await writeFile(files.key, key)
    }
    await replace(LOCALHOST)
    const gateway = await startGateway(t, {
      databaseUrl: db.url,
      config: {
        workers,
        listen: { tls: files },
        routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
      },
    })
    const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
    const { port } = new URL(gateway.proxyUrl)
    const ask = async (): Promise<{ status: number; subject: string }> => {
      const req = httpsRequest({
        port,
        host: '127.0.0.1',
        path: '/files/ok',
        agent: false,
        rejectUnauthorized: false,
        headers: { authorization: `Bearer ${key}` },
      })
      req.end()
      const [response] = (await once(req, 'response')) as [IncomingMessage]
      const subject = (response.socket as TLSSocket).getPeerCertificate().subject.CN
      response.resume()
      await once(response, 'end')
      return { status: response.statusCode ?? 0, subject: String(subject) }
    }
    t.strictSame(await ask(), { status: 200, subject: 'localhost' })
    await replace(B_EXAMPLE)
    await untilTrue('the new certificate', async () => (await ask()).subject === 'b.example')
    const from = gateway.log.length
    await writeFile(files.key, LOCALHOST.key)
    const isRefused = ({ problems }: Readonly<Record<string, unknown>>): boolean =>
      JSON.stringify(problems ?? '').includes('listen.tls.key')
    await gateway.waitForLog('files that do not belong together', isRefused, { from })
    t.strictSame(await ask(), { status: 200, subject: 'b.example' }, 'the old ones stay')
    const check = await gateway.cli('config', 'check')
    t.equal(check.code, 2, 'config check says the same')
    t.match(check.stderr + check.stdout, 'listen.tls.key')
    await writeFile(files.key, B_EXAMPLE.key)
    t.equal(await gateway.stop(), 0)
  })
}
