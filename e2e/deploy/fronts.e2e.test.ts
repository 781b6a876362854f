import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { LOCALHOST } from '../harness/certificates.ts'
import { runCommand, spawnPlain } from '../harness/child.ts'
import { testDatabase } from '../harness/database.ts'
import { startGateway } from '../harness/gateway.ts'
import { freePort } from '../harness/loopback.ts'
import { projectFolder, testFolder } from '../harness/product.ts'
import { noteMissing, programFor } from '../harness/program.ts'
import { startUpstream } from '../harness/upstream.ts'
import { untilTrue } from '../harness/wait.ts'

/** Whom the front sees. The gateway sees the front, at 127.0.0.1. */
const CLIENT = '127.0.0.9'
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so'

/** A file of `deploy/` with other ports and files in it; throws when it does not have what is to be replaced. */
async function adapted(file: string, replacements: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile(join(projectFolder(), 'deploy', file), 'utf8')
  for (const [from, to] of Object.entries(replacements)) {
    if (!text.includes(from)) throw new Error(`${file} has no ${from}`)
    text = text.replaceAll(from, to)
  }
  return text
}

interface Place {
  readonly folder: string
  readonly port: number
  /** Host and port. */
  readonly gateway: string
  readonly cert: string
  readonly key: string
}

interface Front {
  readonly name: string
  readonly program: string
  /** What has to be there beside the program: a file. */
  readonly needs?: string
  readonly endsTls: boolean
  /** Writes what it is run with; gives the arguments that check it, and those that run it. */
  readonly configure: (place: Place) => Promise<{ check: readonly string[]; run: readonly string[] }>
}

/** nginx with a main configuration around the block. */
async function nginxOf(place: Place, block: string, head = ''): Promise<{ check: string[]; run: string[] }> {
  const { folder } = place
  const file = join(folder, 'nginx.conf')
  const main = `${head}daemon off; pid ${folder}/pid; error_log stderr; events {}\n`
  await writeFile(file, `${main}${block}\n`)
  const args = ['-p', folder, '-c', file]
  return { check: ['-t', ...args], run: args }
}

const FRONTS: readonly Front[] = [
  {
    name: 'nginx/waybill.conf',
    program: 'nginx',
    endsTls: true,
    configure: async (place) => {
      const { folder, port, gateway, cert, key } = place
      const block = await adapted('nginx/waybill.conf', {
        'server 127.0.0.1:8080': `server ${gateway}`,
        'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
        '/etc/ssl/artifacts/fullchain.pem': cert,
        '/etc/ssl/artifacts/privkey.pem': key,
      })
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${folder}/${name};`,
      )
      return nginxOf(place, `http { access_log off; ${paths.join(' ')}\n${block}\n}`)
    },
  },
  {
    name: 'nginx/waybill-stream.conf',
    program: 'nginx',
    needs: STREAM_MODULE,
    endsTls: false,
    configure: async (place) => {
      const block = await adapted('nginx/waybill-stream.conf', {
        'server 127.0.0.1:8443': `server ${place.gateway}`,
        'listen 443': `listen 127.0.0.1:${place.port}`,
      })
      return nginxOf(place, block, `load_module ${STREAM_MODULE};\n`)
    },
  },
  {
    name: 'caddy/Caddyfile',
    program: 'caddy',
    endsTls: true,
    configure: async ({ folder, port, gateway, cert, key }) => {
      const file = join(folder, 'Caddyfile')
      const site = await adapted('caddy/Caddyfile', {
        'artifacts.example.com {': `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${cert} ${key}`,
        'reverse_proxy 127.0.0.1:8080': `reverse_proxy ${gateway}`,
      })
      await writeFile(file, `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${site}`)
      const args = ['--config', file, '--adapter', 'caddyfile']
      return { check: ['validate', ...args], run: ['run', ...args] }
    },
  },
]

/** Whether a front can be run here; it is named where it cannot. */
async function isThere(t: Test, { name, program, needs }: Front): Promise<boolean> {
  if ((await programFor(t, program, `deploy/${name}`)) === null) return false
  if (needs === undefined || existsSync(needs)) return true
  noteMissing(t, needs, `deploy/${name}`)
  return false
}

async function ask(
  port: number,
  key: string,
  body: string | null,
): Promise<{ status: number; text: string }> {
  const req = httpsRequest({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: LOCALHOST.cert,
    localAddress: CLIENT,
    path: body === null ? '/files/seen' : '/files/sink',
    method: body === null ? 'GET' : 'POST',
    headers: {
      host: 'localhost',
      authorization: `Bearer ${key}`,
      'x-forwarded-for': '203.0.113.66',
      forwarded: 'for=203.0.113.67',
      'x-real-ip': '203.0.113.68',
    },
    agent: false,
  })
  req.end(body ?? undefined)
  const [response] = (await once(req, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, text: (await buffer(response)).toString() }
}

for (const front of FRONTS) {
  t.test(`behind deploy/${front.name} the gateway knows the client, and that it came by TLS`, async (t) => {
    if (!(await isThere(t, front))) return
    const folder = await testFolder(t)
    const [cert, keyFile] = [join(folder, 'fullchain.pem'), join(folder, 'privkey.pem')]
    await writeFile(cert, LOCALHOST.cert)
    await writeFile(keyFile, LOCALHOST.key)
    const db = await testDatabase(t)
    const upstream = await startUpstream(t, {
      '/seen': (req, res) => {
        res.end(String(req.headers['x-forwarded-proto']))
      },
    })
    const listen = { host: '127.0.0.1', port: 0 }
    const tls = { tls: { cert, key: keyFile }, proxyProtocol: true }
    const gateway = await startGateway(t, {
      databaseUrl: db.url,
      config: {
        workers: 2,
        listen: front.endsTls ? listen : { ...listen, ...tls },
        proxy: { trustedProxies: ['127.0.0.1'] },
        routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
      },
    })
    const flags = ['--allow-ip', `${CLIENT}/32`]
    const key = await gateway.mint({ tenant: 'acme', scopes: ['files:*'], flags })
    const port = await freePort()
    const place = { folder, port, gateway: new URL(gateway.proxyUrl).host, cert, key: keyFile }
    const { check, run } = await front.configure(place)
    const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
    const checked = await runCommand(front.program, check, { cwd: folder, env })
    t.equal(checked.code, 0, `${front.program} ${check[0]}`, { said: checked.stdout + checked.stderr })

    const child = spawnPlain(front.program, run, { env, cwd: folder })
    child.stdout?.resume()
    const said: string[] = []
    child.stderr?.setEncoding('utf8').on('data', (text: string) => said.push(text))
    const exit = once(child, 'exit')
    t.teardown(async () => {
      child.kill('SIGTERM')
      await exit
      if (!t.passing()) t.comment(said.join(''))
    })
    await untilTrue('the front answers', async () => {
      const answer = await ask(port, key, null).catch(() => null)
      return answer?.status === 200
    })
    t.equal((await ask(port, key, null)).text, 'https', 'what the upstream is told')
    t.equal((await ask(port, key, 'x'.repeat(100_000))).status, 200, 'an upload')
    await waitForEntries(db, 3, { where: 'status = 200' })
    const rows = await db.query('SELECT DISTINCT host(client_ip) AS ip FROM access_log WHERE status = 200')
    t.strictSame(rows, [{ ip: CLIENT }], 'whom it was for, whatever the client wrote')
  })
}

t.test('caddy takes the Caddyfile as it is', async (t) => {
  const front = FRONTS.find(({ program }) => program === 'caddy')
  if (front === undefined || !(await isThere(t, front))) return
  const folder = await testFolder(t)
  const file = join(projectFolder(), 'deploy/caddy/Caddyfile')
  const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  const { code, stderr } = await runCommand('caddy', ['validate', '--config', file], { cwd: folder, env })
  t.equal(code, 0, 'caddy validate', { stderr })
  const formatted = await runCommand('caddy', ['fmt', file], { cwd: folder, env })
  t.equal(formatted.stdout, await readFile(file, 'utf8'), 'and would not write it otherwise')
})
