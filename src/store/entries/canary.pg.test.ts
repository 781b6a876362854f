import t from 'tap'
import { CANARY_OUTCOME, CANARY_TENANT } from '../../model/canary.ts'
import { auditInstances } from '../audit/audit.ts'
import { type EntryFilter, followEntries, listEntries, streamEntries } from './entries.ts'
import { ensurePartitions } from './partitions.ts'
import { rollUp } from '../figures/roll-up.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance, untilSettled } from '../../test/ledger.ts'
import { type UsageRow, usageByDay } from './usage.ts'

const { sql } = await testDatabase(t)

const HOUR_MS = 3_600_000
const noon = Math.floor(Date.now() / (24 * HOUR_MS)) * 24 * HOUR_MS - 12 * HOUR_MS
await ensurePartitions(sql, new Date(noon), 1)
const since = new Date(noon)
const until = new Date(noon + HOUR_MS)

const instance = new TestInstance(sql)
const entries = Array.from({ length: 30 }, (_, i) => ({
  tenant: [CANARY_TENANT, 'acme', ''][i % 3] ?? '',
  startedAt: new Date(noon + i * 40_000),
  route: i % 3 === 0 ? '' : 'npm',
}))
await instance.store(instance.seal(entries))
await sql`UPDATE access_log SET outcome = ${CANARY_OUTCOME} WHERE tenant = ${CANARY_TENANT}`

async function usage(): Promise<[string | null, number][]> {
  const rows: UsageRow[] = []
  for await (const chunk of usageByDay(sql, { since, until })) rows.push(...chunk)
  return rows.map(({ tenant, requests }) => [tenant, requests])
}

t.test('canaries are in no listing unless they are asked for', async (t) => {
  const cases: [EntryFilter, number][] = [
    [{}, 20],
    [{ status: '2xx' }, 20],
    [{ tenant: 'acme' }, 10],
    [{ outcome: CANARY_OUTCOME }, 10],
  ]
  for (const [filter, count] of cases) {
    const { entries } = await listEntries(sql, { ...filter, since, until }, { limit: 100 })
    t.equal(entries.length, count, JSON.stringify(filter))
    let streamed = 0
    for await (const chunk of streamEntries(sql, { ...filter, since, until })) streamed += chunk.length
    t.equal(streamed, count, 'streamed')
    const end = new AbortController()
    let followed = 0
    const options = { signal: end.signal, pollMs: 10, from: new Date(0) }
    for await (const chunk of followEntries(sql, filter, options)) {
      followed += chunk.length
      if (followed >= count) end.abort()
    }
    t.equal(followed, count, 'followed')
  }
})

t.test('they are in no figures, neither from rows nor from roll-ups', async (t) => {
  const expected = [
    ['acme', 10],
    [null, 10],
  ]
  t.same(await usage(), expected, 'from the rows')
  await untilSettled(sql)
  while ((await rollUp(sql)).state === 'more');
  t.same(await usage(), expected, 'from the roll-ups')
  t.same([...(await sql`SELECT FROM figures_tenants WHERE tenant = ${CANARY_TENANT}`)], [])
})

t.test('audits count them like any other, under a name of their own', async (t) => {
  for await (const { accounts, gaps } of auditInstances(sql, {}, { isDeep: false })) {
    t.same(
      new Map(accounts.map(({ tenant, stored }) => [tenant, stored])),
      new Map([
        [CANARY_TENANT, 10],
        ['acme', 10],
        ['', 10],
      ]),
    )
    t.same(
      gaps.filter(({ kind }) => kind !== 'unregistered'),
      [],
    )
  }
})
