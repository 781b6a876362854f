import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { waitForEntries } from './harness/accounting.ts'
import { curlClient } from './harness/curl.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { generated, startUpstream, type Echo } from './harness/upstream.ts'

const SIZE = 3_000_000

t.test('curl', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t, {
    // Breaks off in the middle unless asked for a range: a download to resume.
    '/fragile': (req, res) => {
      const start = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0)
      const rest = { 'content-length': SIZE - start, 'accept-ranges': 'bytes' }
      if (start === 0) {
        res.writeHead(200, rest)
        res.write(generated(0, SIZE / 2), () => res.destroy())
      } else {
        res.writeHead(206, { ...rest, 'content-range': `bytes ${start}-${SIZE - 1}/${SIZE}` })
        res.end(generated(start, SIZE))
      }
    },
  })
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
      accessLog: { flushIntervalMs: 100 },
    },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:*'] })
  const readKey = await gateway.mint({ tenant: 'reader', scopes: ['files:read'] })
  const curl = await curlClient(t)
  const auth = ['--header', `Authorization: Bearer ${key}`]
  const url = `${gateway.proxyUrl}/files`

  await t.test('gets a range', async (t) => {
    const target = `${url}/bytes?size=${SIZE}`
    const part = await curl.get(...auth, '--range', '1000-1999', target)
    t.equal(part.status, 206)
    t.equal(part.fields.get('content-range'), `bytes 1000-1999/${SIZE}`)
    t.ok(generated(1000, 2000).equals(part.body))
    const beyond = await curl.get(...auth, '--range', `${SIZE}-`, target)
    t.equal(beyond.status, 416)
    t.equal(beyond.fields.get('content-range'), `bytes */${SIZE}`)
  })

  await t.test('sees that a download was cut short, and resumes it', async (t) => {
    const args = [...auth, '--output', 'resumed', `${url}/fragile`]
    t.equal((await curl.run(...args)).code, 18, 'partial file')
    const { length } = await readFile(join(curl.folder, 'resumed'))
    t.ok(length > 0 && length <= SIZE / 2, 'no more arrived than was sent', { length })
    t.equal((await curl.run('--continue-at', '-', ...args)).code, 0)
    t.ok(generated(0, SIZE).equals(await readFile(join(curl.folder, 'resumed'))), 'the whole is right')
    await waitForEntries(db, 1, { where: `path = '/files/fragile' AND status = 206` })
    const [cut] = await db.query(
      `SELECT status, outcome, reason, bytes_sent::int > 0 AS has_bytes FROM access_log
       WHERE path = '/files/fragile' AND status <> 206`,
    )
    t.strictSame(cut, { status: 200, outcome: 'upstream_reset', reason: 'truncated', has_bytes: true })
  })

  await t.test('HEAD has the length and no body', async (t) => {
    const { status, fields } = await curl.get(...auth, '--head', `${url}/bytes?size=${SIZE}`)
    t.equal(status, 200)
    t.equal(fields.get('content-length'), String(SIZE))
    t.equal(await curl.ask('%{size_download}', ...auth, '--head', '--output', 'head', `${url}/bytes`), '0')
  })

  await t.test('a conditional request is answered 304', async (t) => {
    const handler = ['--header', 'If-None-Match: "x"', `${url}/status?code=304`]
    t.equal(await curl.ask('%{http_code} %{size_download}', ...auth, ...handler), '304 0')
  })

  await t.test('uploads after 100 Continue', async (t) => {
    const body = generated(0, SIZE)
    await writeFile(join(curl.folder, 'body'), body)
    const args = ['--verbose', '--upload-file', 'body', '--header', 'Expect: 100-continue', `${url}/echo`]
    const { code, stdout, stderr } = await curl.run(...auth, ...args)
    t.equal(code, 0)
    t.match(stderr, /^< HTTP\/1\.1 100 Continue/m)
    const echo = JSON.parse(stdout) as Echo
    t.match(echo, { method: 'PUT', bytes: SIZE, sha256: createHash('sha256').update(body).digest('hex') })

    const refused = await curl.run('--user', `${readKey}:`, ...args)
    t.notMatch(refused.stderr, /^< HTTP\/1\.1 100 Continue/m)
    t.match(refused.stderr, /^< HTTP\/1\.1 403 This needs the scope files:write/m)
    await waitForEntries(db, 1, { where: `tenant = 'reader' AND status = 403` })
    const [row] = await db.query(
      `SELECT reason, bytes_received::int AS n FROM access_log WHERE tenant = 'reader'`,
    )
    t.strictSame(row, { reason: 'scope', n: 0 }, 'the body was never sent')
  })

  await t.test('an offer of HTTP/2 over plain HTTP is ignored', async (t) => {
    const answer = await curl.ask(
      '%{http_code} %{http_version}',
      '--http2',
      '--output',
      'h2',
      ...auth,
      `${url}/echo`,
    )
    t.equal(answer, '200 1.1')
    const echo = JSON.parse(await readFile(join(curl.folder, 'h2'), 'utf8')) as Echo
    t.notMatch(echo.rawHeaders.join('\n'), /upgrade|http2-settings/i)
  })

  await t.test('is refused in words that a person understands', async (t) => {
    const ask = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
      const { fields, body } = await curl.get(...args)
      t.equal(fields.get('content-type'), 'application/problem+json')
      const problem = JSON.parse(String(body)) as Record<string, unknown>
      t.equal(problem['requestId'], fields.get('x-request-id'))
      return problem
    }
    t.match(await ask(`${url}/ok`), { status: 401, title: 'Valid credentials are required' })
    t.match(await ask(...auth, `${gateway.proxyUrl}/nowhere`), { status: 404, title: 'No such route' })
    t.match(await ask('--user', `${readKey}:`, '--data', 'x', `${url}/ok`), {
      status: 403,
      title: 'The key does not permit this',
      detail: /^This needs the scope files:write, which the key [0-9a-z]{12} does not have\.$/,
    })
    t.match(await ask(...auth, '--path-as-is', `${url}/a/%2e%2e/b`), { status: 400, detail: /path/ })

    const flags = ['--rate', '0.01:1']
    const limited = ['--user', `${await gateway.mint({ tenant: 'acme', scopes: ['files:read'], flags })}:`]
    t.equal((await curl.get(...limited, `${url}/ok`)).status, 200)
    t.match(await ask(...limited, `${url}/ok`), { status: 429, detail: /Retry in \d+ s/ })
    const { fields } = await curl.get(...limited, `${url}/ok`)
    t.match(fields.get('retry-after'), /^\d+$/)
    t.match(fields.get('ratelimit'), /^"key-rate";r=0;t=\d+$/)
  })
})
