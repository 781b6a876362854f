import t from 'tap'
import { ensurePartitions } from '../entries/partitions.ts'
import { closeSql, openReader } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'
import { type TestEntry, TestInstance, untilSettled } from '../../test/ledger.ts'
import { boundFigures } from './bounds.ts'
import { rollUp } from './roll-up.ts'
import { readSeries } from './series.ts'
import { QUANTILE_ERROR } from './sketch.ts'
import { topPackages } from './top-packages.ts'
import { groupUsage, previousPeriod } from './usage-groups.ts'

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 30_000 })
t.teardown(() => closeSql(reader, 1000))

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const since = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS - 2 * DAY_MS)
const until = new Date(since.getTime() + DAY_MS)
await ensurePartitions(sql, since, 3)

/** Two hours of requests; of acme ten a minute, of globex one. */
const entries: TestEntry[] = []
for (let minute = 0; minute < 120; minute++) {
  for (let i = 0; i < 11; i++) {
    entries.push({
      tenant: i === 10 ? 'globex' : 'acme',
      startedAt: new Date(since.getTime() + minute * 60_000 + i * 1000),
      route: i % 2 === 0 ? 'npm' : 'files',
      ...(i === 3 ? { status: 429, outcome: 'rate_limited' } : { upstream: 'up:80' }),
      bytes: 10,
      durationUs: 1000 * (i + 1) * (minute + 1),
      ...(i < 3 ? { package: i === 0 ? 'left-pad' : 'chalk' } : {}),
    })
  }
}
const instance = new TestInstance(sql)
await instance.store(instance.seal(entries))
await sql`UPDATE access_log SET key_id = 'key-' || (seq % 3), reason = CASE WHEN status = 429 THEN 'tenant_rate' END`

/** Before anything is rolled up, half of it, and all. */
const STATES: Readonly<Record<string, () => Promise<void>>> = {
  rows: async () => {},
  'minutes alone': async () => {
    await untilSettled(sql)
    while ((await rollUp(sql)).state === 'more');
    await sql`INSERT INTO figures_due SELECT 60, slot FROM generate_series(${since.getTime() / 60_000}::bigint, ${until.getTime() / 60_000}::bigint, 60) slot`
  },
  figures: async () => {
    while ((await rollUp(sql)).state === 'more');
  },
}

for (const [state, prepare] of Object.entries(STATES)) {
  t.test(`figures are those of the entries, read from ${state}`, async (t) => {
    await prepare()
    const all = { since, until, limit: 100 }
    t.match((await groupUsage(reader, { ...all, by: [] })).groups, [
      { requests: 1200, refused_limit: 120, bytes_sent: 12_000, refused_bytes_sent: 1200 },
    ])
    const sort = { by: 'requests', isAscending: false } as const
    t.match((await groupUsage(reader, { ...all, by: ['tenant'], sort })).groups, [
      { tenant: 'acme', requests: 1080 },
      { tenant: 'globex', requests: 120 },
    ])
    t.match((await groupUsage(reader, { ...all, by: ['day', 'key'], tenant: 'globex' })).groups.length, 3)
    t.match((await groupUsage(reader, { ...all, by: ['month'] })).groups, [
      { month: since.toISOString().slice(0, 7), requests: 1200 },
    ])
    t.match((await groupUsage(reader, { ...all, by: ['tenant'], sort, limit: 1 })).groups.length, 1)
    const limited = {
      ...all,
      only: 'limited',
      by: ['tenant', 'route', 'reason'],
      sort: { by: 'refused_limit', isAscending: false },
    } as const
    t.match((await groupUsage(reader, limited)).groups, [
      { tenant: 'acme', route: 'files', reason: 'tenant_rate', refused_limit: 120 },
    ])
    t.match((await groupUsage(reader, { ...previousPeriod(all), by: ['tenant'] })).groups, [])

    const hours = await readSeries(reader, { since, until, stepMinutes: 60, by: 'route' })
    t.match(
      hours.points.map(({ at, key, requests }) => [
        (at.getTime() - since.getTime()) / HOUR_MS,
        key,
        requests,
      ]),
      [
        [0, 'files', 300],
        [0, 'npm', 360],
        [1, 'files', 300],
        [1, 'npm', 360],
      ],
    )
    const quarter = {
      since,
      until: new Date(since.getTime() + 900_000),
      stepMinutes: 5,
      by: 'class',
    } as const
    t.match((await readSeries(reader, { ...quarter, tenant: 'acme' })).points.length, 6)
    const [whole] = (await readSeries(reader, { since, until, stepMinutes: null, hasPercentiles: true }))
      .points
    const sorted = entries.map(({ durationUs = 0 }) => durationUs).sort((a, b) => a - b)
    for (const [quantile, found] of [
      [0.5, whole?.p50],
      [0.95, whole?.p95],
      [0.99, whole?.p99],
    ] as const) {
      const exact = sorted[Math.ceil(quantile * sorted.length) - 1] ?? 0
      t.ok(
        Math.abs((found ?? 0) - exact) <= exact * QUANTILE_ERROR + 1,
        `p${quantile * 100}: ${found} for ${exact}`,
      )
    }
    const tenants = await readSeries(reader, {
      since,
      until,
      stepMinutes: null,
      by: 'tenant',
      hasPercentiles: true,
    })
    t.match(tenants.points, [
      { key: 'acme', requests: 1200 },
      { key: 'globex', requests: 120, p50: Number },
    ])
    t.match(await topPackages(reader, { since, until, limit: 5 }), [
      { ecosystem: 'npm', package: 'chalk', requests: 240, downloads: Number },
      { ecosystem: 'npm', package: 'left-pad', requests: 120 },
    ])
    t.match(await topPackages(reader, { since: new Date(since.getTime() - 9 * DAY_MS), until, limit: 1 }), [
      { package: 'chalk', requests: 240 },
    ])
  })
}

t.test('of more groups than may be told, those with most refusals are', async (t) => {
  const from = new Date(until.getTime() + HOUR_MS)
  const outcomes = { early: ['no_route'], late: ['no_route', 'rate_limited', 'forbidden'] }
  const refused = Object.entries(outcomes).flatMap(([route, all]) =>
    all.map((outcome) => ({ tenant: 'acme', startedAt: from, route, outcome, status: 400 })),
  )
  await instance.store(instance.seal(refused))
  const { groups } = await groupUsage(reader, {
    since: from,
    until: new Date(from.getTime() + HOUR_MS),
    only: 'refused',
    by: ['route'],
    sort: { by: 'refused', isAscending: false },
    limit: 1,
  })
  t.match(groups, [{ route: 'late', refused: 3, refused_auth: 1, refused_limit: 1, refused_other: 1 }])
  t.equal(groups.length, 1)
})

t.test('a series that is not possible is refused', async (t) => {
  const query = { since, until, stepMinutes: 60, tenant: 'acme' }
  await t.rejects(readSeries(reader, { ...query, by: 'route' }), { message: /by class or tenant/ })
  await t.rejects(readSeries(reader, { since, until, stepMinutes: 0.5 }), { message: /whole minutes/ })
})

t.test('packages of a day whose hours are not kept any more are those of the day', async (t) => {
  const day = new Date(since.getTime() - 8 * DAY_MS)
  await sql`
    INSERT INTO figures_packages (n, downloads, bytes_sent, minute, step, ecosystem, package)
    VALUES (7, 5, 70, ${day.getTime() / 60_000}, 1440, 'npm', 'left-pad')`
  const window = { since: new Date(day.getTime() + HOUR_MS), until: new Date(day.getTime() + 2 * HOUR_MS) }
  t.match(await topPackages(reader, { ...window, limit: 5 }), [
    { package: 'left-pad', requests: 7, downloads: 5 },
  ])
})

t.test('a series that begins before its figures are kept says since when they are', async (t) => {
  const retention = { minutesDays: 40, tenantMinutesDays: 1, packagesDays: 40, days: 40 }
  const query = { tenant: 'acme', since, until, stepMinutes: 15 }
  t.equal((await readSeries(reader, query)).keptSince, null)
  await boundFigures(sql, retention)
  const short = await readSeries(reader, query)
  t.same(short.points, [], 'the minutes have gone')
  t.same(short.keptSince, new Date(since.getTime() + DAY_MS))
  const hours = await readSeries(reader, { ...query, stepMinutes: 60 })
  t.match(hours, { keptSince: null, points: [{ requests: 600 }, { requests: 600 }] })
  t.equal((await readSeries(reader, { since, until, stepMinutes: 1 })).keptSince, null, 'routes have theirs')
  await boundFigures(sql, { ...retention, tenantMinutesDays: 30 })
  t.same((await readSeries(reader, query)).keptSince, short.keptSince, 'what is gone stays gone')
})
