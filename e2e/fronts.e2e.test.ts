import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { waitForEntries } from './harness/accounting.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { freePort } from './harness/loopback.ts'
import { testFolder } from './harness/product.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

/** The front sees this client, and the gateway the front, which is trusted, at 127.0.0.1. */
const CLIENT = '127.0.0.9'

/** The block of this language in the documents. */
function blockOf(language: string): string {
  const text = readFileSync('docs/listener.md', 'utf8')
  const block = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(text)?.[1]
  if (block === undefined) throw new Error(`no block for ${language}`)
  return block
}

async function ask(port: number, key: string, body: string | null): Promise<number> {
  const req = httpRequest({
    port,
    host: '127.0.0.1',
    localAddress: CLIENT,
    path: body === null ? '/files/ok' : '/files/sink',
    method: body === null ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${key}`, 'x-forwarded-for': '203.0.113.66' },
  })
  req.end(body ?? undefined)
  const [response] = (await once(req, 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  return response.statusCode ?? 0
}

/** Writes what the front is run with, and gives its arguments. */
type Configure = (block: string, folder: string) => Promise<readonly string[]>

const FRONTS: Readonly<Record<string, { listen: object; configure: Configure }>> = {
  nginx: {
    listen: {},
    configure: async (block, folder) => {
      const file = join(folder, 'nginx.conf')
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${folder}/${name};`,
      )
      const http = `http { access_log off; ${paths.join(' ')}\n${block}\n}`
      await writeFile(file, `daemon off; pid ${folder}/pid; error_log stderr; events {}\n${http}\n`)
      return ['-p', folder, '-c', file]
    },
  },
  haproxy: {
    listen: { proxyProtocol: true },
    configure: async (block, folder) => {
      const file = join(folder, 'haproxy.cfg')
      await writeFile(file, block)
      return ['-db', '-f', file]
    },
  },
}

async function startFront(t: Test, program: string, arguments_: readonly string[]): Promise<void> {
  const child = spawn(program, arguments_, { stdio: 'ignore' })
  const exit = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await exit
  })
  await once(child, 'spawn')
}

for (const [program, { listen, configure }] of Object.entries(FRONTS)) {
  const isThere = spawnSync(program, ['-v']).error === undefined
  const skip = isThere ? false : `${program} is not installed: its block in docs/listener.md did not run`
  t.test(`R18: the block for ${program} in the documents hands the client over`, { skip }, async (t) => {
    const db = await testDatabase(t)
    const upstream = await startUpstream(t)
    const gateway = await startGateway(t, {
      databaseUrl: db.url,
      config: {
        workers: 2,
        listen,
        proxy: { trustedProxies: ['127.0.0.1'] },
        routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
      },
    })
    const key = await gateway.mint({
      tenant: 'acme',
      scopes: ['files:*'],
      flags: ['--allow-ip', `${CLIENT}/32`],
    })
    const port = await freePort()
    const block = blockOf(program)
      .replace('127.0.0.1:8080', new URL(gateway.proxyUrl).host)
      .replace(/8081/, String(port))
    await startFront(t, program, await configure(block, await testFolder(t)))
    await untilTrue('the front answers', async () => (await ask(port, key, null).catch(() => 0)) === 200)
    t.equal(await ask(port, key, 'x'.repeat(100_000)), 200, 'an upload')
    await waitForEntries(db, 2, { where: `status = 200` })
    const rows = await db.query('SELECT DISTINCT host(client_ip) AS ip FROM access_log WHERE status = 200')
    t.strictSame(rows, [{ ip: CLIENT }], 'whom it was for, whatever the client wrote')
  })
}
