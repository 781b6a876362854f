import t from 'tap'
import { ensurePartitions } from '../entries/partitions.ts'
import { retryQuarantined } from '../entries/quarantine.ts'
import { dropExpiredPartitions, setRetention } from '../entries/retention.ts'
import { closeSql, openControl, openReader } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'
import { type SealedBatch, type TestEntry, TestInstance, untilSettled } from '../../test/ledger.ts'
import { type UsageRow, usageByDay } from '../entries/usage.ts'
import { boundFigures, type FiguresRetention } from './bounds.ts'
import { rangesOf, rollUp } from './roll-up.ts'

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 30_000 })
t.teardown(() => closeSql(reader, 1000))

const DAY_MS = 86_400_000
const midnight = Math.floor(Date.now() / DAY_MS) * DAY_MS
const first = midnight - 3 * DAY_MS
await ensurePartitions(sql, new Date(first), 5)

async function catchUp(): Promise<number> {
  await untilSettled(sql)
  let slots = 0
  for (;;) {
    const run = await rollUp(sql)
    slots += run.slots
    if (run.state !== 'more') return slots
  }
}

async function usage(filter: Parameters<typeof usageByDay>[1]): Promise<UsageRow[]> {
  const rows: UsageRow[] = []
  for await (const chunk of usageByDay(reader, filter)) rows.push(...chunk)
  return rows
}

/** What the rows say, and nothing else. */
async function truth({ since, until, tenant }: Parameters<typeof usageByDay>[1]): Promise<UsageRow[]> {
  return await sql<UsageRow[]>`
    SELECT to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, tenant, route,
      count(*) FILTER (WHERE refusal IS NULL) AS requests,
      count(*) FILTER (WHERE refusal IS NULL AND status BETWEEN 400 AND 499) AS errors_4xx,
      count(*) FILTER (WHERE refusal IS NULL AND status >= 500) AS errors_5xx,
      coalesce(sum(bytes_received) FILTER (WHERE refusal IS NULL), 0)::bigint AS bytes_received,
      coalesce(sum(bytes_sent) FILTER (WHERE refusal IS NULL), 0)::bigint AS bytes_sent,
      count(*) FILTER (WHERE refusal = 'auth') AS refused_auth, count(*) FILTER (WHERE refusal = 'limit') AS refused_limit,
      count(*) FILTER (WHERE refusal = 'other') AS refused_other,
      coalesce(sum(bytes_received) FILTER (WHERE refusal <> ''), 0)::bigint AS refused_bytes_received,
      coalesce(sum(bytes_sent) FILTER (WHERE refusal <> ''), 0)::bigint AS refused_bytes_sent
    FROM (SELECT *, CASE WHEN upstream IS NOT NULL THEN NULL
        WHEN outcome IN ('unauthenticated', 'forbidden', 'tenant_suspended') THEN 'auth' WHEN outcome = 'rate_limited' THEN 'limit'
        WHEN outcome IN ('not_ready', 'overloaded') THEN 'other' END AS refusal FROM access_log) e
    WHERE started_at >= ${since} AND started_at < ${until}
      ${tenant === undefined ? sql`` : sql`AND tenant = ${tenant}`}
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`
}

/** Without what postgres.js adds to a result. */
const rowsOf = (rows: readonly UsageRow[]) => [...rows]

/** A table and step of the figures, and what its rows must be: the sums of entries by these columns, from the first day that has rows on. */
const FIGURES = [
  ['figures_routes', 1, ['route', 'outcome', 'status_class']],
  ['figures_routes', 15, ['route', 'outcome', 'status_class']],
  ['figures_routes', 60, ['route', 'outcome', 'status_class']],
  ['figures_tenants', 1, ['tenant', 'status_class']],
  ['figures_tenants', 60, ['tenant', 'status_class']],
  ['figures_usage', 15, ['tenant', 'key_id', 'route', 'outcome', 'reason', 'status_class']],
  ['figures_usage_days', 1440, ['tenant', 'route', 'outcome', 'status_class']],
] as const

/** Figures that differ from what the rows give. */
async function wrongFigures(): Promise<string[]> {
  const wrong: string[] = []
  for (const [table, step, columns] of FIGURES) {
    const isUsage = table.startsWith('figures_usage')
    const names = columns.join(', ')
    const fast = isUsage ? 0 : '(SELECT sum(k & 1099511627775) FROM unnest(f.sketch) k WHERE k >> 40 <= 80)'
    const rows = await sql.unsafe<{ n: number }[]>(`
      WITH entries AS (
        SELECT (floor(extract(epoch FROM started_at) / 60 / ${step}) * ${step})::int AS minute, coalesce(tenant, '') AS tenant,
          coalesce(key_id, '') AS key_id, coalesce(route, '') AS route, outcome, coalesce(reason, '') AS reason,
          (status / 100)::smallint AS status_class, bytes_received, bytes_sent, duration_us FROM access_log
      ), wanted AS (
        SELECT minute, ${names}, count(*) AS n, sum(bytes_received) AS received, sum(bytes_sent) AS sent,
          ${isUsage ? 0 : 'nullif(count(*) FILTER (WHERE duration_us <= 1024), 0)'} AS fast FROM entries GROUP BY minute, ${names}
      ), found AS (
        SELECT minute, ${names}, sum(n) AS n, sum(bytes_received) AS received, sum(bytes_sent) AS sent, sum(${fast}) AS fast
        FROM ${table} f WHERE ${isUsage ? 'true' : `step = ${step}`} AND minute >= (SELECT first_minute FROM access_minutes_state)
        GROUP BY minute, ${names}
      )
      SELECT count(*) AS n FROM wanted w FULL JOIN found f USING (minute, ${names})
      WHERE (w.n, w.received, w.sent, w.fast) IS DISTINCT FROM (f.n, f.received, f.sent, f.fast)`)
    if (rows[0]?.n !== 0) wrong.push(`${table} ${step}: ${rows[0]?.n}`)
  }
  return wrong
}

/** Deterministic: the same sequence for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const OUTCOMES: readonly Pick<TestEntry, 'status' | 'outcome' | 'upstream'>[] = [
  { status: 200, upstream: 'up:80' },
  { status: 304, upstream: 'up:80' },
  // The upstream's own refusals were served.
  { status: 401, upstream: 'up:80' },
  { status: 404, upstream: 'up:80' },
  { status: 401, outcome: 'unauthenticated' },
  { status: 401, outcome: 'tenant_suspended' },
  { status: 403, outcome: 'forbidden' },
  { status: 429, outcome: 'rate_limited' },
  { status: 503, outcome: 'not_ready' },
  { status: 503, outcome: 'overloaded' },
  // What flowed until its key was revoked, or it gave way, was served.
  { status: 200, outcome: 'unauthenticated', upstream: 'up:80' },
  { status: 200, outcome: 'overloaded', upstream: 'up:80' },
  { status: 502, outcome: 'upstream_refused', upstream: 'up:80' },
  { status: 499, outcome: 'client_closed' },
]

function entryOf(random: (below: number) => number): TestEntry {
  return {
    tenant: ['acme', 'globex', 'evil', ''][random(4)] ?? '',
    route: ['npm', 'files', ''][random(3)] ?? '',
    // Mostly within minutes, now and then from hours ago, as an upgraded connection is.
    startedAt: new Date(first + (random(10) === 0 ? random(3 * DAY_MS) : 3_600_000 + random(600_000))),
    ...OUTCOMES[random(OUTCOMES.length)],
    bytes: random(5000),
    durationUs: [0, 1000, 1001, 25_000, 700_000_000][random(5)] ?? 0,
  }
}

t.test('until they have caught up for the first time, usage comes from the rows', async (t) => {
  const random = randomOf(1)
  const instance = new TestInstance(sql)
  await instance.store(instance.seal(Array.from({ length: 50 }, () => entryOf(random))))
  const all = { since: new Date(first), until: new Date(midnight) }
  t.same(rowsOf(await usage(all)), rowsOf(await truth(all)))
  t.equal((await sql`SELECT FROM figures_usage`).length, 0)
})

t.test('roll-ups and rows agree after random batches, late replays and runs in between', async (t) => {
  for (let seed = 2; seed < 6; seed++) {
    const random = randomOf(seed)
    const instances = [new TestInstance(sql), new TestInstance(sql)]
    const spilled: [TestInstance, SealedBatch][] = []
    for (let step = 0; step < 25; step++) {
      const instance = instances[random(2)] ?? new TestInstance(sql)
      const entries = Array.from({ length: random(30) }, () => entryOf(random))
      const batch = instance.seal(entries, { withMinutes: random(4) !== 0 })
      if (random(3) === 0) spilled.push([instance, batch])
      else await instance.store(batch, random(5) === 0 ? entries.slice(0, 2).map((_, i) => i) : [])
      if (random(4) === 0) await rollUp(sql)
      if (random(3) === 0) {
        const [late, old] = spilled.shift() ?? []
        if (late && old) await late.store(old)
      }
      if (random(3) === 0) {
        const since = new Date(first + random(2 * DAY_MS))
        const tenant = ['acme', 'evil', 'nobody'][random(4)]
        const until = new Date(since.getTime() + 1 + random(DAY_MS))
        const filter = { since, until, ...(tenant === undefined ? {} : { tenant }) }
        t.same(rowsOf(await usage(filter)), rowsOf(await truth(filter)), `seed ${seed}, step ${step}`)
      }
    }
    for (const [late, old] of spilled) await late.store(old)
    await catchUp()
    t.same(await wrongFigures(), [])
    t.equal(await catchUp(), 0, 'nothing is left to do')
  }
})

t.test('a batch that commits after a run that began later is not missed', async (t) => {
  const slow = openControl(target, { max: 1 })
  t.teardown(() => closeSql(slow, 1000))
  const at = new Date(first + 7_200_000)
  const instance = new TestInstance(sql)
  await slow.begin(async (tx) => {
    await tx`
      INSERT INTO access_ledger (instance, batch, first_seq, last_seq, entries, bytes, first_started_at, last_started_at, minutes)
      VALUES (${instance.id}, 1, 1, 1, 1, 1, ${at}, ${at}, ARRAY[${at.getTime() / 60_000}]::bigint[])`
    await tx`
      INSERT INTO access_log (id, started_at, tenant, route, status, outcome, bytes_received, bytes_sent, duration_us, instance, seq)
      VALUES (gen_random_uuid(), ${at}, 'late', 'npm', 200, 'forwarded', 1, 1, 1, ${instance.id}, 1)`
    const other = new TestInstance(sql)
    await other.store(other.seal([{ tenant: 'early', startedAt: at }]))
    await rollUp(sql)
    await rollUp(sql)
  })
  const filter = { since: at, until: new Date(at.getTime() + 60_000), tenant: 'late' }
  t.match(await usage(filter), [{ requests: 1 }], 'from its row')
  await catchUp()
  t.match(await usage(filter), [{ requests: 1 }])
  t.same(await wrongFigures(), [])
})

t.test('a row stored from quarantine is rolled up', async (t) => {
  const at = new Date(first + 10_800_000)
  const instance = new TestInstance(sql)
  await instance.store(
    instance.seal([
      { tenant: 'mended', startedAt: at },
      { tenant: 'mended', startedAt: at },
    ]),
    [1],
  )
  await catchUp()
  const filter = { since: new Date(first), until: new Date(midnight), tenant: 'mended' }
  t.match(await usage(filter), [{ requests: 1 }])
  const [row] = await sql<{ id: number }[]>`SELECT id FROM quarantine WHERE instance = ${instance.id}`
  t.equal((await retryQuarantined(sql, row?.id ?? 0)).state, 'stored')
  t.match(await usage(filter), [{ requests: 2 }])
  await catchUp()
  t.match(await usage(filter), [{ requests: 2 }])
  t.same(await wrongFigures(), [])
})

t.test('minutes whose rows were removed vanish when they are computed again', async (t) => {
  const at = new Date(first + 14_400_000)
  const instance = new TestInstance(sql)
  await instance.store(instance.seal([{ tenant: 'gone', startedAt: at }]))
  await catchUp()
  await sql`DELETE FROM access_log WHERE tenant = 'gone'`
  await instance.store(instance.seal([{ tenant: 'other', startedAt: at }]))
  await catchUp()
  t.same([...(await sql`SELECT FROM figures_usage WHERE tenant = 'gone'`)], [])
  t.same(await wrongFigures(), [])
})

t.test('one process at a time keeps them', async (t) => {
  await sql.begin(async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(9299464)`
    t.same(await rollUp(sql), { state: 'busy', slots: 0 })
  })
  t.equal((await rollUp(sql)).state, 'caught_up')
})

t.test('a backlog of many minutes is worked off in bounded runs', async (t) => {
  const instance = new TestInstance(sql)
  for (let i = 0; i < 4; i++) {
    const entries = Array.from({ length: 100 }, (_, n) => ({
      tenant: 'spread',
      startedAt: new Date(first + 20 * 3_600_000 + (i * 100 + n) * 60_000),
    }))
    await instance.store(instance.seal(entries))
  }
  await untilSettled(sql)
  const run = await rollUp(sql)
  t.equal(run.state, 'more')
  t.ok(run.slots >= 100 && run.slots < 400, 'some of them')
  await catchUp()
  t.same(await wrongFigures(), [])
})

t.test('usage outlives the rows, and late entries of expired days change nothing', async (t) => {
  const day = { since: new Date(first), until: new Date(first + DAY_MS) }
  const before = rowsOf(await usage(day))
  t.ok(before.length > 5)
  await sql`UPDATE access_ledger SET written_at = now() - interval '10 days'`
  await setRetention(sql, 2, 'test')
  const run = await dropExpiredPartitions(sql, { by: 'test', now: Date.now, maxClockOffsetMs: 60_000 })
  t.same(run.dropped, [`access_log_${new Date(first).toISOString().slice(0, 10).replaceAll('-', '')}`])
  t.same(rowsOf(await usage(day)), before)
  await ensurePartitions(sql, new Date(first), 1)
  const instance = new TestInstance(sql)
  await instance.store(instance.seal([{ tenant: 'acme', startedAt: new Date(first + 3_600_000) }]))
  t.same(rowsOf(await usage(day)), before)
  await catchUp()
  t.same(rowsOf(await usage(day)), before)
})

t.test('D8: what is older than its retention goes, and usage not before its rows', async (t) => {
  const day = { since: new Date(first), until: new Date(first + DAY_MS) }
  const later = { since: new Date(first + DAY_MS), until: new Date(first + 3 * DAY_MS) }
  const [before, laterBefore] = [rowsOf(await usage(day)), rowsOf(await usage(later))]
  const steps = async (): Promise<unknown> =>
    [
      ...(await sql`
      SELECT 'routes' AS of, step FROM figures_routes WHERE minute < ${(first + 2 * DAY_MS) / 60_000} UNION SELECT 'tenants', step
      FROM figures_tenants WHERE minute < ${(first + 2 * DAY_MS) / 60_000} ORDER BY 1, 2`),
    ].map((row) => `${row['of']} ${row['step']}`)
  const bound = (retention: Partial<FiguresRetention>): Promise<void> =>
    boundFigures(sql, { minutesDays: 90, tenantMinutesDays: 90, packagesDays: 90, days: 800, ...retention })
  await bound({})
  t.same(await steps(), ['routes 1', 'routes 15', 'routes 60', 'tenants 1', 'tenants 60'])
  await bound({ tenantMinutesDays: 1 })
  t.same(await steps(), ['routes 1', 'routes 15', 'routes 60', 'tenants 60'])
  await bound({ minutesDays: 1 })
  t.same(await steps(), ['routes 60'])
  t.same(rowsOf(await usage(day)), before)
  await bound({ days: 1 })
  t.same(await steps(), [])
  t.same(await usage(day), [])
  t.same(rowsOf(await usage(later)), laterBefore, 'nothing is removed whose rows are there')
})

t.test('an hour whose minutes are not kept any more is computed from all its rows', async (t) => {
  const at = new Date(first + DAY_MS + 3_600_000)
  const instance = new TestInstance(sql)
  await instance.store(instance.seal([{ tenant: 'acme', startedAt: at, durationUs: 5 }]))
  await catchUp()
  const minute = at.getTime() / 60_000
  const [found] = await sql<{ n: number }[]>`
    SELECT sum(n)::int AS n FROM figures_tenants WHERE step = 60 AND minute = ${minute - (minute % 60)}`
  const [wanted] = await sql<{ n: number }[]>`
    SELECT count(*)::int AS n FROM access_log WHERE date_trunc('hour', started_at) = date_trunc('hour', ${at}::timestamptz)`
  t.ok((wanted?.n ?? 0) > 1)
  t.same(found, wanted)
})

t.test("D1: a horizon of another server's transactions is begun anew", async (t) => {
  const at = new Date(first + 2 * DAY_MS)
  // All days that have rows are computed anew: one is enough.
  await sql`DELETE FROM access_log WHERE started_at < ${at}`
  await sql`UPDATE access_minutes_state SET figures_horizon = '9000000000000'`
  await sql`UPDATE access_ledger SET written_xid = '9000000000001' WHERE batch % 2 = 0`
  const instance = new TestInstance(sql)
  await instance.store(instance.seal([{ tenant: 'restored', startedAt: at }]))
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      await rollUp(sql)
      await untilSettled(sql)
      await catchUp()
    }
  }
  await settle()
  const rows = await sql`SELECT n FROM figures_usage WHERE tenant = 'restored'`
  t.same(rows, [{ n: 1 }])
  const [state] =
    await sql`SELECT figures_complete AS is_complete, figures_horizon <= pg_snapshot_xmax(pg_current_snapshot()) AS is_ours FROM access_minutes_state`
  t.same(state, { is_complete: true, is_ours: true })
})

t.test('neighbours are computed as one, within a day', (t) => {
  t.same(rangesOf([1, 2, 3, 7, 1438, 1439, 1440, 1441]), [
    { first: 1, end: 4 },
    { first: 7, end: 8 },
    { first: 1438, end: 1440 },
    { first: 1440, end: 1442 },
  ])
  t.end()
})
