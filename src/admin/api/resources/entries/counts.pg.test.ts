import t from 'tap'
import { createTenant } from '../../../../store/directory/tenants.ts'
import { stepOf } from '../../../../store/entry-search/histogram.ts'
import { testApi } from '../../../../test/api/api.ts'
import { TestRows } from '../../../../test/api/rows.ts'
import { testDatabase } from '../../../../test/database.ts'

const database = await testDatabase(t)
const api = await testApi(t, database)
await createTenant(database.sql, 'acme', {})
const rows = await TestRows.open(database.sql)
const token = await api.tokenFor('viewer')
const own = await api.tokenFor('tenant', 'acme')
const startMs = Math.floor(Date.now() / 60_000) * 60_000 - 600_000
const at = (ms: number): string => new Date(startMs + ms).toISOString()
const window = `since=${at(0)}&until=${at(60_000)}`

await rows.store(
  Array.from({ length: 60 }, (_, n) => ({
    started_at: new Date(startMs + n * 1000),
    tenant: n < 40 ? 'acme' : 'globex',
    status: n % 10 === 0 ? 503 : 200,
    outcome: n % 20 === 0 ? 'overloaded' : 'forwarded',
    reason: n % 20 === 0 ? 'queue_full' : null,
    client_ip: n < 50 ? '10.1.2.3' : '2001:db8::7',
  })),
)

t.test('values are counted by field, the most frequent first', async (t) => {
  const { headers: _, ...all } = await api.ask('GET', `/entries/facets?${window}`, { token })
  t.match(all.json(), {
    isSample: false,
    rows: 60,
    n: 60,
    tenant: [
      { value: 'acme', n: 40 },
      { value: 'globex', n: 20 },
    ],
    status: [
      { value: '200', n: 54 },
      { value: '503', n: 6 },
    ],
    reason: [
      { value: null, n: 57 },
      { value: 'queue_full', n: 3 },
    ],
    address: [
      { value: '10.1.2.3', n: 50 },
      { value: '2001:db8::7', n: 10 },
    ],
  })
  const mine = (await api.ask('GET', `/entries/facets?${window}&status=503`, { token: own })).json()
  t.match(mine, { n: 4, tenant: [{ value: 'acme', n: 4 }] })
  const none = (await api.ask('GET', `/entries/facets?${window}&route=nothing`, { token })).json()
  t.match(none, { n: 0, rows: 0, tenant: [] })
})

t.test('entries are counted over time, with errors and refusals, each once, and empty bins', async (t) => {
  const { stepMs, items, isSample } = (
    await api.ask('GET', `/entries/histogram?${window}`, { token })
  ).json() as { stepMs: number; isSample: boolean; items: Record<string, number>[] }
  t.equal(stepMs, 1000)
  t.equal(isSample, false)
  t.equal(items.length, 60)
  t.match(items.slice(0, 2), [
    { at: at(0), n: 1, errors: 0, refused: 1 },
    { at: at(1000), n: 1, errors: 0, refused: 0 },
  ])
  t.match(items[10], { at: at(10_000), n: 1, errors: 1, refused: 0 })
  const mine = (await api.ask('GET', `/entries/histogram?${window}`, { token: own })).json() as typeof all
  const all = { items }
  t.equal(
    mine.items.reduce((sum, { n = 0 }) => sum + n, 0),
    40,
  )
  t.equal(mine.items.length, 60)
})

t.test('a window with too many entries is counted by a sample of them', async (t) => {
  await database.sql`
    INSERT INTO access_log (id, started_at, tenant, route, status, outcome, bytes_received, bytes_sent, duration_us, path,
      instance, seq)
    SELECT gen_random_uuid(), ${new Date(startMs)}::timestamptz + n * interval '4 ms', 'many', 'npm', 200, 'forwarded', 1, 1, 1,
      repeat('x', 900), gen_random_uuid(), n
    FROM generate_series(1, 60000) n`
  const query = `tenant=many&since=${at(0)}&until=${at(300_000)}`
  const reply = await api.ask('GET', `/entries/facets?${query}`, { token })
  const facets = reply.json() as Record<string, number>
  t.equal(facets['isSample'], true, reply.text.slice(0, 300))
  const { n = 0, rows: read = 0 } = facets
  t.ok(read < 55_000, `${read} rows were read`)
  t.ok(n > 50_000 && n < 70_000, `${n} is near 60,000`)
  const histogram = (await api.ask('GET', `/entries/histogram?${query}`, { token })).json() as {
    items: { n: number }[]
  }
  t.ok(histogram.items.filter((bin) => bin.n > 0).length > 35, 'the sample lies over the whole time')
})

t.test('a window has at most 120 bins, whatever it is', async (t) => {
  const DAY_MS = 86_400_000
  for (const ms of [1, 999, 60_000, 3_600_000, DAY_MS, 30 * DAY_MS, 3650 * DAY_MS]) {
    for (const from of [0, 1, startMs, startMs + 17]) {
      const stepMs = stepOf(from, from + ms)
      const bins = Math.ceil((from + ms) / stepMs) - Math.floor(from / stepMs)
      t.ok(bins >= 1 && bins <= 120, `${ms} ms from ${from}: ${bins} bins of ${stepMs} ms`)
    }
  }
  t.equal(stepOf(0, DAY_MS), 900_000)
})
