import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { waitForEntries } from './accounting.ts'
import { LOCALHOST } from './certificates.ts'
import { spawnPlain } from './child.ts'
import { testDatabase } from './database.ts'
import { startGateway } from './gateway.ts'
import { freePort } from './loopback.ts'
import { startUpstream } from './upstream.ts'
import { until } from './wait.ts'

/** Whom the front sees. The gateway sees the front, which is trusted, at 127.0.0.1. */
const CLIENT = '127.0.0.9'

/** What a front's configuration has to name. */
export interface FrontPlace {
  /** For its files; there already. */
  readonly folder: string
  /** Where it is to listen, on 127.0.0.1. */
  readonly port: number
  /** Host and port. */
  readonly gateway: string
}

/** A front, and the gateway behind it. */
export interface FrontTrial {
  readonly program: string
  readonly folder: string
  /** What the gateway's option `listen` has besides a free port on loopback. */
  readonly listen: Readonly<Record<string, unknown>>
  /** Whether clients come by TLS, to `localhost`. */
  readonly isTls: boolean
  /** Writes what the front is run with; gives its arguments. */
  readonly configure: (place: FrontPlace) => Promise<readonly string[]>
}

/** The environment of a front: what it keeps goes to this folder. */
export function frontEnv(folder: string): Readonly<Record<string, string>> {
  return { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
}

/** Writes a main configuration of nginx around `block`, which `head` goes before; gives the arguments that name it. */
export async function nginxArguments(folder: string, block: string, head = ''): Promise<readonly string[]> {
  const file = join(folder, 'nginx.conf')
  const main = `${head}daemon off; pid ${folder}/pid; error_log stderr; events {}\n`
  await writeFile(file, `${main}${block}\n`)
  return ['-p', folder, '-c', file]
}

/** A block of nginx that is one of HTTP, with all its files in the folder. */
export function nginxHttp(folder: string, block: string): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  return `http { access_log off; ${paths.join(' ')}\n${block}\n}`
}

/**
 * Runs a front before a gateway of two processes, and asserts that requests come through, and that the entries are of the client,
 * whatever that wrote. Resolves with the scheme that the upstream is told.
 */
export async function assertHandsOver(t: Test, trial: FrontTrial): Promise<string> {
  const { program, folder, listen, isTls, configure } = trial
  const db = await testDatabase(t)
  const upstream = await startUpstream(t, {
    '/seen': (req, res) => void res.end(String(req.headers['x-forwarded-proto'])),
  })
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      workers: 2,
      listen: { host: '127.0.0.1', port: 0, ...listen },
      proxy: { trustedProxies: ['127.0.0.1'] },
      routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
    },
  })
  const flags = ['--allow-ip', `${CLIENT}/32`]
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:*'], flags })
  const port = await freePort()
  const place = { folder, port, gateway: new URL(gateway.proxyUrl).host }
  startFront(t, program, await configure(place), folder)
  const ask = asker({ port, key, isTls })
  const first = await until('the front answers', async () => {
    const answer = await ask(null).catch(() => null)
    return answer?.status === 200 ? answer : undefined
  })
  t.equal((await ask('x'.repeat(100_000))).status, 200, 'an upload')
  await waitForEntries(db, 2, { where: 'status = 200' })
  const rows = await db.query('SELECT DISTINCT host(client_ip) AS ip FROM access_log WHERE status = 200')
  t.strictSame(rows, [{ ip: CLIENT }], 'whom it was for, whatever the client wrote')
  return first.body
}

/** Runs it until teardown; what it says is shown when the test fails. */
function startFront(t: Test, program: string, args: readonly string[], folder: string): void {
  const child = spawnPlain(program, args, { env: frontEnv(folder), cwd: folder })
  child.stdout?.resume()
  const said: string[] = []
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => said.push(piece))
  const exit = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await exit
    if (!t.passing()) t.comment(said.join(''))
  })
}

/** Sends requests of the client, which claims to be others: a download for a body of null, an upload otherwise. */
function asker({ port, key, isTls }: { port: number; key: string; isTls: boolean }) {
  const headers = {
    host: 'localhost',
    authorization: `Bearer ${key}`,
    'x-forwarded-for': '203.0.113.66',
    forwarded: 'for=203.0.113.67',
    'x-real-ip': '203.0.113.68',
  }
  const common: RequestOptions = { port, host: '127.0.0.1', localAddress: CLIENT, headers, agent: false }
  return async (body: string | null): Promise<{ status: number; body: string }> => {
    const [method, path] = body === null ? ['GET', '/files/seen'] : ['POST', '/files/sink']
    const options = { ...common, method, path }
    const req = isTls
      ? httpsRequest({ ...options, servername: 'localhost', ca: LOCALHOST.cert })
      : httpRequest(options)
    req.end(body ?? undefined)
    const [response] = (await once(req, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, body: await text(response) }
  }
}
