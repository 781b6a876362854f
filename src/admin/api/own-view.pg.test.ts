import t from 'tap'
import { confirmFollower } from '../../store/directory/followers.ts'
import { createTenant, updateTenant } from '../../store/directory/tenants.ts'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { testApi } from '../../test/api/api.ts'
import { TestDeliveries } from '../../test/api/deliveries.ts'
import { operationsOf } from '../../test/api/openapi.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance } from '../../test/ledger.ts'

const HOST = 'gateway-7.internal'
const UPSTREAM = 'registry-3.internal:4873'
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const database = await testDatabase(t)
const { sql } = database
const api = await testApi(t, database)
for (const slug of ['acme', 'globex']) await createTenant(sql, slug, { maxConcurrency: 7 })
await updateTenant(sql, 'acme', { maxConcurrency: 8 }, null)
const startedAt = new Date(Date.now() - 10 * MINUTE_MS)
await ensurePartitions(sql, new Date(startedAt.getTime() - DAY_MS), 3)
const instance = new TestInstance(sql)
const entry = { tenant: 'acme', startedAt, package: 'left-pad', upstream: UPSTREAM }
await instance.store(
  instance.seal([entry, { ...entry, tenant: 'globex' }], { dropped: { globex: { channel_full: 4321 } } }),
)
instance.seal([entry])
await instance.store(instance.seal([entry]))
await sql`
  INSERT INTO instances (id, host, version, started_at, last_seen_at, capacity_entries)
  VALUES (${instance.id}, ${HOST}, '9.8.7', ${new Date(startedAt.getTime() - MINUTE_MS)}, ${startedAt}, 65432)`
await sql`
  INSERT INTO access_log_partitions (partition, expiring_at, dropped_at, dropped_xid, dropped_by, retention_days, rows, instances)
  VALUES (${`access_log_${new Date(startedAt.getTime() - 2 * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`}, now(), now(), pg_current_xact_id(), ${HOST}, 2, 98765, '{}')`
const follower = { instance: instance.id, host: HOST, processId: 4567, machine: 'm', maxAgeMs: MINUTE_MS }
await confirmFollower(sql, follower, null)
const deliveries = await TestDeliveries.open(sql)
const [delivery = ''] = await deliveries.keep(1)
await deliveries.keep(1, { tenant: 'globex' })
let key = ''
const [session] = await sql<{ role: string }[]>`SELECT session_user AS role`
const role = session?.role ?? ''

const QUERIES: Readonly<Record<string, string>> = {
  who: '?package=left-pad&since=4d',
  groupUsage: '?by=tenant',
  audit: '?since=1h',
}

t.test('an operator mints a key for the tenant', async (t) => {
  const token = await api.tokenFor('operator')
  const minted = await api.ask('POST', '/keys', { token, json: { tenant: 'acme', scopes: ['*:*'] } })
  t.equal(minted.status, 201)
  key = (minted.json() as { id: string }).id
})

t.test('what an operator reads of the machines is there to be hidden', async (t) => {
  const token = await api.tokenFor('viewer')
  const read = async (path: string): Promise<string> => (await api.ask('GET', path, { token })).text
  t.match(await read('/audit?since=1h'), HOST)
  t.match(await read('/entries'), UPSTREAM)
  t.match(await read('/who?package=left-pad&since=4d'), '98765')
  t.match(await read(`/keys/${key}/receipts`), HOST)
  t.match(await read('/admin-log?tenant=acme'), `"role":"${role}"`)
})

t.test('a tenant learns nothing of other tenants, or of the machines, from any operation', async (t) => {
  const token = await api.tokenFor('tenant', 'acme')
  for (const { method, path, operationId, isForTenants } of operationsOf(api.document)) {
    if (method !== 'GET' || !isForTenants || operationId === 'streamEntries') continue
    const id = path.startsWith('/api/v1/deliveries/') ? delivery : key
    const at = path.replace('/api/v1', '').replace('{slug}', 'acme').replace('{id}', id)
    const reply = await api.ask('GET', at + (QUERIES[operationId] ?? ''), { token })
    t.ok(reply.status === 200 || operationId === 'getEntries', `${operationId}: ${reply.status}`)
    for (const secret of [HOST, UPSTREAM, '9.8.7', 'globex', '4321', '98765', '4567', `"role":"${role}"`])
      t.notMatch(reply.text, secret, `${operationId}: ${secret}`)
  }
  const read = async (subject: string): Promise<unknown> =>
    (await api.ask('GET', `/admin-log?subject=${subject}`, { token })).json()['items']
  t.match(await read('key'), [{ actor: /^an? operator \(token/, from: null, role: null }])
  t.match(await read('tenant'), [
    { actor: 'operator', from: null },
    { actor: 'operator', role: null },
  ])
  const guess = await api.ask('GET', `/admin-log?actor=${role}`, { token })
  t.same(guess.json()['items'], [], 'and cannot guess who it was')
})

t.test('a tenant is not shown which number an entry has among those of all tenants', async (t) => {
  const read = async (token: string) => ({
    listed: (await api.ask('GET', '/entries?limit=1', { token })).json()['items'],
    csv: (await api.ask('GET', '/entries/export?format=csv', { token })).text.trimEnd(),
    ndjson: (await api.ask('GET', '/entries/export', { token })).text,
  })
  const whole = await read(await api.tokenFor('viewer'))
  t.match(whole.listed, [{ upstream: UPSTREAM, seq: Number }])
  t.match(whole.csv, /,\d+$/)
  const own = await read(await api.tokenFor('tenant', 'acme'))
  t.match(own.listed, [{ tenant: 'acme', upstream: null, seq: null }])
  t.match(own.csv, /,$/)
  t.match(own.ndjson, '"seq":null')
  t.notMatch(own.ndjson, /"seq":\d/)
})

t.test('lists of keys and tokens have pages, of which each has what the one before has not', async (t) => {
  const token = await api.tokenFor('admin')
  for (let i = 0; i < 5; i++)
    await api.ask('POST', '/keys', { token, json: { tenant: i < 3 ? 'acme' : 'globex', scopes: ['*:*'] } })
  for (const list of ['/keys', '/tokens']) {
    const whole = (await api.ask('GET', list, { token })).json() as { items: { id: string }[]; next: null }
    t.equal(whole.next, null)
    const ids: string[] = []
    let cursor = ''
    do {
      const page = (await api.ask('GET', `${list}?limit=2${cursor}`, { token })).json()
      const { items, next } = page as { items: { id: string }[]; next: string | null }
      t.ok(items.length === 2 || next === null)
      ids.push(...items.map(({ id }) => id))
      cursor = next === null ? '' : `&cursor=${next}`
    } while (cursor !== '')
    t.same(
      ids,
      whole.items.map(({ id }) => id),
      list,
    )
  }
})
