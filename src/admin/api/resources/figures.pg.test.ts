import t from 'tap'
import { ensurePartitions } from '../../../store/entries/partitions.ts'
import { createTenant } from '../../../store/directory/tenants.ts'
import { testApi } from '../../../test/api/api.ts'
import { testDatabase } from '../../../test/database.ts'
import { TestInstance } from '../../../test/ledger.ts'

const database = await testDatabase(t)
const { sql } = database
const api = await testApi(t, database)
const token = await api.tokenFor('viewer')
for (const slug of ['acme', 'globex']) await createTenant(sql, slug, {})
const at = new Date(Date.now() - 600_000)
await ensurePartitions(sql, new Date(at.getTime() - 86_400_000), 3)
const instance = new TestInstance(sql)
const entry = (tenant: string, n: number) => ({
  tenant,
  startedAt: at,
  route: 'npm',
  path: `/npm/${n}`,
  bytesSent: 100,
})
await instance.store(instance.seal([1, 2, 3].map((n) => entry(n < 3 ? 'acme' : 'globex', n))))

interface Groups {
  readonly groups: readonly { readonly tenant: string; readonly requests: number }[]
  readonly previous: readonly unknown[] | null
}

t.test('a series has as many requests as there are entries, in points of a chosen step', async (t) => {
  const series = (await api.ask('GET', '/figures/series?since=1h&percentiles=true', { token })).json()
  const points = series['points'] as { requests: number; bytesSent: number }[]
  t.equal(
    points.reduce((sum, { requests }) => sum + requests, 0),
    3,
  )
  t.equal(series['stepMinutes'], 1)
  t.equal((await api.ask('GET', '/figures/series?since=30d', { token })).json()['stepMinutes'], 1440)
  t.equal(
    (await api.ask('GET', '/figures/series?since=30d&step=none&by=tenant', { token })).json()['stepMinutes'],
    null,
  )
})

t.test('groups are of the dimensions that are asked for, of a tenant its own', async (t) => {
  const { groups, previous } = (
    await api.ask('GET', '/figures/groups?by=tenant,route&since=1h&previous=true', { token })
  ).json() as unknown as Groups
  t.match(groups, [
    { tenant: 'acme', route: 'npm', requests: 2 },
    { tenant: 'globex', requests: 1 },
  ])
  t.same(previous, [])
  const own = await api.tokenFor('tenant', 'globex')
  const seen = (
    await api.ask('GET', '/figures/groups?by=tenant&since=1h', { token: own })
  ).json() as unknown as Groups
  t.match(seen.groups, [{ tenant: 'globex', requests: 1 }])
  t.equal(seen.groups.length, 1)
  t.equal((await api.ask('GET', '/figures/packages', { token: own })).status, 403)
  t.equal((await api.ask('GET', '/figures/series?tenant=acme', { token: own })).status, 403)
})

t.test('what cannot be asked is said by name', async (t) => {
  for (const [path, field] of [
    ['/figures/groups?by=color', 'by'],
    ['/figures/groups?by=day,month', 'by'],
    ['/figures/groups?by=tenant,tenant', 'by'],
    ['/figures/series?tenant=acme&by=route', 'by'],
    ['/figures/series?since=soon', 'since'],
    ['/figures/series?since=1h&until=2h', 'since'],
    ['/figures/packages?limit=0', 'limit'],
  ] as const) {
    const reply = await api.ask('GET', path, { token })
    t.equal(reply.status, 400, path)
    t.match(reply.json(), { errors: [{ field }] }, path)
  }
})
