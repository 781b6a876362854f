import t from 'tap'
import { assertAllStored } from './harness/accounting.ts'
import { curlClient } from './harness/curl.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { startUpstream, type Echo } from './harness/upstream.ts'

t.test('curl presents a key in each of the five ways', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: { routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }] },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const curl = await curlClient(t)
  const ways: Readonly<Record<string, readonly string[]>> = {
    'as a bearer token': ['--header', `Authorization: Bearer ${key}`],
    'as a bare Authorization value': ['--header', `Authorization: ${key}`],
    'as the Basic password of any user': ['--user', `anybody:${key}`],
    'as the Basic user name with an empty password': ['--user', `${key}:`],
    'as X-Api-Key': ['--header', `X-Api-Key: ${key}`],
  }
  for (const [way, args] of Object.entries(ways)) {
    await t.test(way, async (t) => {
      const answer = await curl.ask('%{http_code}', ...args, `${gateway.proxyUrl}/files/echo`)
      t.equal(answer.slice(-3), '200')
      const echo = JSON.parse(answer.slice(0, -3)) as Echo
      const text = echo.rawHeaders.join('\n')
      t.notMatch(text, key.slice(16), 'the upstream does not see the key')
      t.notMatch(text, /^authorization$/im)
    })
  }
  await t.test('without a key there is a challenge and a readable answer', async (t) => {
    const { code, stdout } = await curl.run('--include', `${gateway.proxyUrl}/files/echo`)
    t.equal(code, 0)
    t.match(stdout, /^HTTP\/1\.1 401 This needs a key, and none was sent\.\r\n/)
    t.match(stdout, /^WWW-Authenticate: Basic realm=.*Bearer/im)
    t.match(stdout, /"title":"Valid credentials are required"/)
  })

  t.equal(upstream.requests, 5, 'what was refused did not reach the upstream')
  // The log is not flushed yet: its interval is 2 s. The stop must store what is left.
  t.equal(await gateway.stop(), 0, 'a graceful stop exits with 0')
  await assertAllStored(t, db, [gateway], 6)
  const rows = await db.query(
    `SELECT status, count(*)::int AS n, count(DISTINCT key_id)::int AS keys FROM access_log GROUP BY 1 ORDER BY 1`,
  )
  t.strictSame(rows, [
    { status: 200, n: 5, keys: 1 },
    { status: 401, n: 1, keys: 0 },
  ])
})
