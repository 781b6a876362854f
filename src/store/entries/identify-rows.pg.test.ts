import t from 'tap'
import { AccessEntry } from '../../model/access-entry.ts'
import { testDatabase } from '../../test/database.ts'
import { type TestEntry, TestInstance } from '../../test/ledger.ts'
import { auditInstances } from '../audit/audit.ts'
import {
  identifyRows,
  type IdentifyOptions,
  type RowIdentity,
  type UnidentifiedRow,
} from './identify-rows.ts'
import { ensurePartitions } from './partitions.ts'

const NOON = Date.UTC(2026, 10, 21, 12)
const { sql } = await testDatabase(t)
await ensurePartitions(sql, new Date(NOON), 2)

const WINDOW = { since: new Date(NOON - 3_600_000), until: new Date(NOON + 86_400_000) }

function identify({ route, path }: UnidentifiedRow): RowIdentity | null {
  if (route === 'gone') return null
  const identity = new AccessEntry()
  if (path === '/') return identity
  return Object.assign(identity, { ecosystem: 'npm', artifactKind: 'artifact', package: path, version: '1' })
}

function options(more: Partial<IdentifyOptions> = {}): IdentifyOptions {
  return { ...WINDOW, batchRows: 3, onBatch: async () => true, identify, ...more }
}

async function differences(): Promise<object[]> {
  const gaps = []
  for await (const one of auditInstances(sql, WINDOW, { isDeep: true }))
    gaps.push(...one.gaps.filter(({ kind }) => kind === 'rows_differ'))
  return gaps
}

t.test('rows of before are identified, a batch at a time, and an audit finds no difference', async (t) => {
  await sql`TRUNCATE access_log, access_ledger, access_minutes_stale`
  const instance = new TestInstance(sql)
  const entryAt = (i: number, more: Partial<TestEntry> = {}): TestEntry => ({
    tenant: 'acme',
    startedAt: new Date(NOON + Math.floor(i / 4)),
    path: `/p${i}`,
    ...more,
  })
  const old = Array.from({ length: 10 }, (_, i) => entryAt(i))
  await instance.store(
    instance.seal([...old, entryAt(10, { path: '/' }), entryAt(11, { route: 'gone' }), entryAt(12)]),
  )
  await instance.store(
    instance.seal([entryAt(13, { package: 'left-pad', startedAt: new Date(NOON + 80_000_000) })]),
  )
  let batches = 0
  const cut = await identifyRows(sql, options({ onBatch: async () => ++batches < 2 }))
  t.equal(cut.identified, 6, 'it ends between two batches when it is told to')
  t.ok(cut.at < WINDOW.until)
  t.same(await differences(), [], 'half done')
  const rest = await identifyRows(sql, options())
  t.same([rest.identified, rest.packages, [...rest.skipped]], [6, 5, [['gone', 1]]])
  t.equal(rest.at.getTime(), WINDOW.until.getTime())
  const rows =
    await sql`SELECT seq, artifact_kind, package, identified_at IS NOT NULL AS later FROM access_log ORDER BY seq`
  t.match(rows[0], { artifact_kind: 'artifact', package: '/p0', later: true })
  t.match(rows[10], { artifact_kind: 'none', package: null, later: true })
  t.match(rows[11], { artifact_kind: null, package: null, later: false })
  t.match(rows[13], { package: 'left-pad', later: false }, 'what was sealed with its package is left alone')
  t.same(await differences(), [])
  t.match(await identifyRows(sql, options()), { identified: 0 }, 'again: nothing is left')
  await sql`UPDATE access_log SET path = '/other' WHERE seq = 1`
  t.equal((await differences()).length, 1, 'what was sealed is compared as before')
})

t.test('only the route that was asked for, and only rows within the window', async (t) => {
  await sql`TRUNCATE access_log, access_ledger, access_minutes_stale`
  const instance = new TestInstance(sql)
  const at = (ms: number, route: string): TestEntry => ({
    tenant: 'a',
    startedAt: new Date(ms),
    route,
    path: '/x',
  })
  await instance.store(
    instance.seal([at(NOON, 'one'), at(NOON, 'two'), at(NOON + 60_000, 'one'), at(NOON + 7_200_000, 'one')]),
  )
  const until = new Date(NOON + 3_600_000)
  t.match(await identifyRows(sql, options({ route: 'one', until })), { identified: 2 })
  const rows = await sql`SELECT count(*) FILTER (WHERE artifact_kind IS NULL) AS left_over FROM access_log`
  t.same(rows[0], { left_over: 2 })
})
