import t from 'tap'
import { ensurePartitions } from './partitions.ts'
import { dropExpiredPartitions, setRetention } from './retention.ts'
import { retryQuarantined } from './quarantine.ts'
import { boundRollUps, rollUp } from './roll-ups.ts'
import { closeSql, openControl, openReader } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'
import { type SealedBatch, type TestEntry, TestInstance, untilSettled } from '../../test/ledger.ts'
import { type UsageRow, usageByDay } from './usage.ts'

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 30_000 })
t.teardown(() => closeSql(reader, 1000))

const DAY_MS = 86_400_000
const midnight = Math.floor(Date.now() / DAY_MS) * DAY_MS
const first = midnight - 3 * DAY_MS
await ensurePartitions(sql, new Date(first), 5)

async function catchUp(): Promise<number> {
  await untilSettled(sql)
  let minutes = 0
  for (;;) {
    const run = await rollUp(sql)
    minutes += run.minutes
    if (run.state !== 'more') return minutes
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

/** Roll-ups that differ from what the rows give. */
async function wrongMinutes(): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    WITH rows AS (
      SELECT floor(extract(epoch FROM started_at) / 60)::bigint AS minute, coalesce(tenant, '') AS tenant,
        coalesce(route, '') AS route, (status / 100)::smallint AS status_class, count(*) AS n,
        sum(bytes_received) AS received, sum(bytes_sent) AS sent,
        count(*) FILTER (WHERE duration_us <= 1000) AS fast, count(*) FILTER (WHERE duration_us > 600000000) AS slow
      FROM access_log GROUP BY 1, 2, 3, 4)
    SELECT count(*) AS n FROM rows r FULL JOIN access_minutes m USING (minute, tenant, route, status_class)
    WHERE (r.n, r.received, r.sent, r.fast, r.slow, r.n) IS DISTINCT FROM
      (m.n, m.bytes_received, m.bytes_sent, m.durations[1], m.durations[17], (SELECT sum(d) FROM unnest(m.durations) d))`
  return row?.n ?? -1
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
  t.equal((await sql`SELECT FROM access_minutes`).length, 0)
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
    t.equal(await wrongMinutes(), 0)
    t.equal(await catchUp(), 0, 'nothing is left to do')
  }
})

t.test(
  'E5: minutes that an older program has rolled up are read from their rows, and counted anew',
  async (t) => {
    const all = { since: new Date(first), until: new Date(midnight) }
    const expected = rowsOf(await truth(all))
    t.ok(expected.some(({ refused_auth: n }) => n > 0))
    t.ok(expected.some(({ requests }) => requests > 0))
    t.same(rowsOf(await usage(all)), expected)
    await sql`
    UPDATE access_minutes SET refused_auth = 0, refused_limit = 0, refused_other = 0, refused_received = 0, refused_sent = 0,
      counted = DEFAULT`
    t.same(rowsOf(await usage(all)), expected, 'at once')
    await catchUp()
    t.equal((await sql`SELECT FROM access_minutes WHERE counted <> n`).length, 0)
    t.same(rowsOf(await usage(all)), expected)
  },
)

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
  t.equal(await wrongMinutes(), 0)
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
  t.equal(await wrongMinutes(), 0)
})

t.test('minutes whose rows were removed vanish when they are computed again', async (t) => {
  const at = new Date(first + 14_400_000)
  const instance = new TestInstance(sql)
  await instance.store(instance.seal([{ tenant: 'gone', startedAt: at }]))
  await catchUp()
  await sql`DELETE FROM access_log WHERE tenant = 'gone'`
  await instance.store(instance.seal([{ tenant: 'other', startedAt: at }]))
  await catchUp()
  t.same([...(await sql`SELECT FROM access_minutes WHERE tenant = 'gone'`)], [])
  t.equal(await wrongMinutes(), 0)
})

t.test('one process at a time keeps them', async (t) => {
  await sql.begin(async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(9299458)`
    t.same(await rollUp(sql), { state: 'busy', minutes: 0 })
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
  t.match(run, { state: 'more', minutes: 100 }, 'whole transactions, as many as pass the bound')
  await catchUp()
  t.equal(await wrongMinutes(), 0)
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

t.test('D8: final days become quarters of an hour, and no sum changes; what is too old goes', async (t) => {
  const day = { since: new Date(first), until: new Date(first + DAY_MS) }
  const later = { since: new Date(first + DAY_MS), until: new Date(first + 3 * DAY_MS) }
  const before = rowsOf(await usage(day))
  const laterBefore = rowsOf(await usage(later))
  const figures = () => sql`
    SELECT count(*) FILTER (WHERE minute % 15 <> 0) AS fine, sum(n) AS n,
      (SELECT sum(d) FROM access_minutes a, unnest(a.durations) d
       WHERE a.minute >= ${first / 60_000} AND a.minute < ${(first + DAY_MS) / 60_000}) AS durations
    FROM access_minutes WHERE minute >= ${first / 60_000} AND minute < ${(first + DAY_MS) / 60_000}`
  const [fine] = await figures()
  t.ok(Number(fine?.['fine']) > 0)
  for (let i = 0; i < 2; i++) {
    await boundRollUps(sql, { minutesDays: 1, days: 800 })
    t.match(await figures(), [{ fine: 0, n: fine?.['n'], durations: fine?.['durations'] }])
  }
  t.same(rowsOf(await usage(day)), before)
  t.same(rowsOf(await usage(later)), laterBefore, 'days that are not final keep their minutes')
  await boundRollUps(sql, { minutesDays: 1, days: 1 })
  t.same(await usage(day), [])
  t.same(rowsOf(await usage(later)), laterBefore, 'nor is anything removed whose rows are there')
})

t.test("D1: a horizon of another server's transactions is begun anew", async (t) => {
  const at = new Date(first + 2 * DAY_MS)
  await sql`UPDATE access_minutes_state SET horizon = '9000000000000'`
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
  const rows = await sql`SELECT n FROM access_minutes WHERE tenant = 'restored'`
  t.same(rows, [{ n: 1 }])
  const [state] =
    await sql`SELECT is_complete, horizon <= pg_snapshot_xmax(pg_current_snapshot()) AS is_ours FROM access_minutes_state`
  t.same(state, { is_complete: true, is_ours: true })
})
