import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import t from 'tap'
import { createTenant } from '../../../../store/directory/tenants.ts'
import { askPort } from '../../../../test/admin.ts'
import { testApi } from '../../../../test/api/api.ts'
import { TestRows } from '../../../../test/api/rows.ts'
import { testDatabase } from '../../../../test/database.ts'

const database = await testDatabase(t)
const api = await testApi(t, database)
await createTenant(database.sql, 'acme', {})
const rows = await TestRows.open(database.sql)
const token = await api.tokenFor('viewer')
const startMs = Date.now() - 600_000

const few = await rows.store(
  Array.from({ length: 3 }, (_, n) => ({
    started_at: new Date(startMs + n),
    route: 'few',
    tenant: n === 1 ? 'globex' : 'acme',
    path: '=cmd()',
  })),
)
for (let i = 0; i < 6; i++) {
  await rows.store(
    Array.from({ length: 1000 }, (_, n) => ({
      started_at: new Date(startMs + 1000 + i * 1000 + n),
      route: 'many',
      path: `/${'x'.repeat(2000)}`,
    })),
  )
}

async function open(query: string): Promise<IncomingMessage> {
  const outgoing = request({
    host: '127.0.0.1',
    port: api.port,
    path: `/api/v1/entries/export?${query}`,
    headers: { authorization: `Bearer ${token}` },
    agent: false,
  })
  outgoing.end()
  t.teardown(() => outgoing.destroy())
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  return incoming
}

t.test('entries come as NDJSON and as CSV, oldest first, a tenant its own', async (t) => {
  const ndjson = await api.ask('GET', '/entries/export?route=few', { token })
  t.equal(ndjson.headers['content-type'], 'application/x-ndjson')
  const lines = ndjson.text.trimEnd().split('\n')
  t.same(
    lines.map((line) => (JSON.parse(line) as { id: string }).id),
    few,
  )
  const csv = await api.ask('GET', '/entries/export?route=few&format=csv', { token })
  const [titles = '', first = ''] = csv.text.split('\n')
  t.match(titles, /^id,started_at,tenant,.*purl,artifactKind,.*instance,seq$/)
  t.match(first, new RegExp(`^${few[0]},${new Date(startMs).toISOString()},acme,`))
  t.match(first, ",'=cmd(),", 'no formula')
  const own = await api.ask('GET', '/entries/export?route=few', {
    token: await api.tokenFor('tenant', 'acme'),
  })
  t.equal(own.text.trimEnd().split('\n').length, 2)
  const none = await api.ask('GET', '/entries/export?route=none&format=csv', { token })
  t.equal(none.text.trimEnd(), titles)
  const headers = { authorization: `Bearer ${token}` }
  const head = await askPort(api.port, '/api/v1/entries/export?route=many', { method: 'HEAD', headers })
  t.same([head.status, head.text], [200, ''])
})

t.test('an export is as slow as its client, and whole', async (t) => {
  const incoming = await open('route=many')
  let n = 0
  for await (const chunk of incoming) n += String(chunk).split('\n').length - 1
  t.equal(n, 6000)
  t.ok(incoming.complete)
})

t.test('an export that fails on the way has no end', async (t) => {
  const incoming = await open('route=many')
  incoming.on('error', () => {})
  const closed = new Promise((resolve) => incoming.on('close', resolve))
  // The next page cannot be read.
  await database.sql`ALTER TABLE access_log RENAME TO access_log_gone`
  incoming.resume()
  await closed
  await database.sql`ALTER TABLE access_log_gone RENAME TO access_log`
  t.notOk(incoming.complete, 'the client sees that it is not whole')
  t.equal((await open('route=few')).statusCode, 200)
})
