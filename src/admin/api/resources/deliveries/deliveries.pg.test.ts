import t from 'tap'
import { createTenant } from '../../../../store/directory/tenants.ts'
import { testApi } from '../../../../test/api/api.ts'
import { TestDeliveries } from '../../../../test/api/deliveries.ts'
import { TestRows } from '../../../../test/api/rows.ts'
import { testDatabase } from '../../../../test/database.ts'

const database = await testDatabase(t)
const api = await testApi(t, database)
for (const slug of ['acme', 'globex']) await createTenant(database.sql, slug, {})
const rows = await TestRows.open(database.sql)
const deliveries = await TestDeliveries.open(database.sql)
const viewer = await api.tokenFor('viewer')
const operator = await api.tokenFor('operator')
const own = await api.tokenFor('tenant', 'acme')

type Item = Record<string, string | number | null> & { readonly id: string }

async function list(query: string, token = viewer): Promise<string[]> {
  const ids: string[] = []
  for (let cursor = ''; ;) {
    const page = (await api.ask('GET', `/deliveries?limit=2&${query}${cursor}`, { token })).json()
    const { items, next } = page as { items: Item[]; next: string | null }
    ids.push(...items.map(({ id }) => id))
    if (next === null) return ids.toReversed()
    cursor = `&cursor=${next}`
  }
}

async function changes(subject: string): Promise<Record<string, unknown>[]> {
  const reply = await api.ask('GET', `/admin-log?subject=${subject}&order=oldest&limit=1000`, {
    token: viewer,
  })
  return reply.json()['items'] as Record<string, unknown>[]
}

t.test('deliveries are listed in pages by what is asked for, and a tenant sees its own', async (t) => {
  const [dead, other] = [
    await deliveries.keep(3, { route: 'list' }),
    await deliveries.keep(1, { route: 'list', tenant: 'globex' }),
  ]
  await deliveries.end('list', 'dead')
  const waiting = await deliveries.keep(2, { route: 'list' })
  const [elsewhere = ''] = await deliveries.keep(1, { route: 'list-too' })
  t.same(await list('route=list'), [...dead, ...other, ...waiting])
  t.same(await list('route=list&state=dead'), [...dead, ...other])
  t.same(await list('route=list&state=waiting'), waiting)
  t.same(await list('route=list&tenant=globex'), other)
  t.same(await list('route=list', own), [...dead, ...waiting])
  t.same(await list('route=list-too&since=1h&until=2100-01-01'), [elsewhere])
  t.same(await list('until=1h'), [])
  for (const query of ['state=lost', 'cursor=1', 'since=never', 'since=1h&until=2h', 'limit=0', 'colour=red'])
    t.equal((await api.ask('GET', `/deliveries?${query}`, { token: viewer })).status, 400, query)
  t.equal((await api.ask('GET', '/deliveries?tenant=globex', { token: own })).status, 403)
})

t.test('a delivery is shown with the entries of its attempts, and nothing of what was sent', async (t) => {
  const [id = ''] = await deliveries.keep(1, { route: 'shown' })
  await deliveries.end('shown', 'dead')
  const attempt = { tenant: 'acme', route: 'shown', request_id: id, upstream: 'ci.internal:9000' }
  await rows.store([
    { ...attempt, outcome: 'delivery_failed', reason: 'status', status: 500 },
    // A sender's, of any id that it likes.
    { ...attempt, outcome: 'accepted', status: 202 },
    { ...attempt, tenant: 'globex', outcome: 'delivered' },
  ])
  const reply = await api.ask('GET', `/deliveries/${id}`, { token: viewer })
  t.match(reply.json(), {
    id,
    state: 'dead',
    attempts: 1,
    lastStatus: 500,
    lastReason: 'status',
    bodyBytes: 4,
  })
  const entries = reply.json()['entries'] as Item[]
  t.match(entries, [{ outcome: 'delivery_failed', status: 500, upstream: 'ci.internal:9000' }])
  t.equal(entries.length, 1)
  const seen = await api.ask('GET', `/deliveries/${id}`, { token: own })
  t.match(seen.json(), { id, entries: [{ outcome: 'delivery_failed', upstream: null, seq: null }] })
  const foreign = await api.tokenFor('tenant', 'globex')
  const none = await api.ask('GET', `/deliveries/${id}`, { token: foreign })
  t.equal(none.json()['code'], 'delivery_not_found')
  t.equal(
    (await api.ask('GET', '/deliveries/00000000-0000-4000-8000-000000000001', { token: viewer })).status,
    400,
  )
})

t.test('one is delivered once more, or dropped, once, as the admin log says', async (t) => {
  const [first = '', second = ''] = await deliveries.keep(2, { route: 'one' })
  const refused = await api.ask('POST', `/deliveries/${first}/redeliver`, { token: operator })
  t.match(refused.json(), { status: 409, code: 'delivery_state', detail: /waits/ })
  await deliveries.end('one', 'dead')
  const made = (await api.ask('POST', `/deliveries/${first}/redeliver`, { token: operator })).json()
  t.match(made, { redeliveryOf: first })
  t.same(await list('route=one&state=waiting'), [made['id']])
  const again = await api.ask('POST', `/deliveries/${first}/redeliver`, { token: operator })
  t.match(again.json(), { status: 409, detail: new RegExp(String(made['id'])) })
  const dropped = await api.ask('DELETE', `/deliveries/${second}`, { token: operator })
  t.same(dropped.json(), { state: 'dropped' })
  t.equal((await api.ask('DELETE', `/deliveries/${second}`, { token: operator })).status, 409)
  t.equal((await api.ask('DELETE', `/deliveries/${first}`, { token: operator })).status, 409)
  const missing = `${first.slice(0, -4)}${first.endsWith('0000') ? '1111' : '0000'}`
  for (const [method, path] of [
    ['POST', '/redeliver'],
    ['DELETE', ''],
  ] as const) {
    const none = await api.ask(method, `/deliveries/${missing}${path}`, { token: operator })
    t.match(none.json(), { status: 404, code: 'delivery_not_found' })
  }
  t.match(await changes(`delivery:${first}`), [
    {
      action: 'delivery.redelivered',
      via: 'api',
      tenant: 'acme',
      name: 'one',
      after: { redelivered_as: made['id'] },
    },
  ])
  t.match(await changes(`delivery:${second}`), [
    { action: 'delivery.dropped', via: 'api', before: { state: 'dead' }, after: { state: 'dropped' } },
  ])
  t.same(await changes(`delivery:${String(made['id'])}`), [], 'what a gateway notes is no change')
})

t.test('a search is delivered once more or dropped, so many at a time, and never all there is', async (t) => {
  const dead = await deliveries.keep(5, { route: 'search' })
  await deliveries.end('search', 'dead')
  await deliveries.keep(2, { route: 'search' })
  await deliveries.end('search', 'delivered')
  const ask = async (what: string, json: object) =>
    (await api.ask('POST', `/deliveries/${what}`, { token: operator, json })).json()
  t.same(await ask('redeliver', { route: 'search', limit: 3 }), { n: 3, isMore: true })
  t.same(await ask('redeliver', { route: 'search', since: '1h', limit: 3 }), { n: 2, isMore: false })
  t.same(await ask('redeliver', { route: 'search' }), { n: 0, isMore: false })
  t.equal((await list('route=search&state=waiting')).length, 5)
  t.same(await ask('redeliver', { route: 'search', state: 'delivered', tenant: 'globex' }), {
    n: 0,
    isMore: false,
  })
  t.same(await ask('redeliver', { route: 'search', state: 'delivered' }), { n: 2, isMore: false })
  t.same(await ask('drop', { route: 'search', state: 'waiting' }), { n: 7, isMore: false })
  for (const [what, json] of [
    ['redeliver', {}],
    ['redeliver', { state: 'dead' }],
    ['drop', { state: 'waiting' }],
    ['drop', { route: 'search' }],
    ['drop', { route: 'search', state: 'delivered' }],
    ['redeliver', { route: 'search', limit: 1001 }],
  ] as const)
    t.match(await ask(what, json), { status: 400 }, JSON.stringify(json))
  t.equal((await changes(`delivery:${dead[0] ?? ''}`)).length, 1)
})

t.test('the books of a tenant close, and say what is missing', async (t) => {
  const [id = ''] = await deliveries.keep(1, { route: 'account', tenant: 'globex', requestId: 'of-account' })
  // What was received just now, too.
  const window = `since=1h&until=${new Date(deliveries.startMs + 3_600_000).toISOString()}`
  const query = `tenant=globex&${window}`
  const read = async (token = viewer) =>
    (await api.ask('GET', `/deliveries/account?${query}`, { token })).json()
  await database.sql`DELETE FROM deliveries WHERE tenant = 'globex' AND id <> ${id}`
  await rows.store([
    { tenant: 'globex', route: 'account', request_id: 'of-account', outcome: 'accepted', status: 202 },
  ])
  t.match(await api.ask('GET', '/deliveries/account?since=40d', { token: viewer }), { status: 400 })
  t.match(await api.ask('GET', `/deliveries/account?${query}`, { token: own }), { status: 403 })
  const mine = (await api.ask('GET', `/deliveries/account?${window}`, { token: own })).json()
  t.same(new Set((mine['items'] as Item[]).map(({ tenant }) => tenant)), new Set(['acme']))
  t.match(await read(), {
    isClosed: true,
    items: [{ tenant: 'globex', accepted: 1, waiting: 1, missing: 0 }],
  })
  await database.sql`DELETE FROM deliveries WHERE id = ${id}`
  t.match(await read(), { isClosed: false, items: [{ tenant: 'globex', accepted: 0, missing: 1 }] })
  t.match(await changes(`delivery:${id}`), [{ action: 'delivery.deleted', via: 'sql' }], 'by hand')
})
