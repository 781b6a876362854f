import t from 'tap'
import type { AuditGap } from '../../model/audit/audit.ts'
import type { UnderWay } from '../../model/audit/under-way.ts'
import { auditInstances, type AuditFilter } from './audit.ts'
import { forgetUnderWay } from './audit-under-way.ts'
import { noteDeath } from './instance-deaths.ts'
import { endInstance, registerInstance, touchInstance } from './instances.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance } from '../../test/ledger.ts'

const { sql } = await testDatabase(t)
const DAY_MS = 86_400_000
const nowMs = Date.now()
await ensurePartitions(sql, new Date(nowMs - DAY_MS), 3)

function request(n: number, more: Partial<UnderWay> = {}): UnderWay {
  return {
    startedAtMs: nowMs - 10_000 + n,
    tenant: 'acme',
    keyId: 'k',
    route: 'files',
    method: 'GET',
    path: `/files/${n}`,
    clientIp: '10.0.0.1',
    requestId: `r${n}`,
    isTunnel: false,
    ...more,
  }
}

async function answering(requests: readonly UnderWay[]): Promise<TestInstance> {
  const instance = new TestInstance(sql)
  const start = { host: 'gw', version: '1', startedAt: new Date(nowMs - 60_000), capacityEntries: 9000 }
  await registerInstance(sql, { ...start, id: instance.id, journalMs: null })
  await touchInstance(sql, instance.id, {
    acceptedSeq: 0,
    spilledEntries: 0,
    memoryEntries: 512,
    inFlight: 7,
    inFlightMost: 64,
    notes: { underWay: { count: requests.length, named: requests }, aside: null, weaknesses: null },
  })
  return instance
}

async function gapsOf(id: string, filter: AuditFilter = {}): Promise<readonly AuditGap[]> {
  for await (const { instance, gaps } of auditInstances(sql, filter)) if (instance.id === id) return gaps
  return []
}

const died = { sign: 'exited', promises: null, isCutOff: false, start: null } as const

t.test(
  'D6: a request under way at a death is a gap, unless its entry has been stored after all',
  async (t) => {
    const one = await answering([request(1), request(2), request(3, { tenant: 'globex', isTunnel: true })])
    t.same(await gapsOf(one.id), [], 'of a live instance they are no gaps')
    await one.store(one.seal([{ tenant: 'acme', startedAt: new Date(request(2).startedAtMs) }]))
    await sql`UPDATE access_log SET request_id = 'r2' WHERE instance = ${one.id}`
    await noteDeath(sql, { ...died, id: one.id })
    const gaps = await gapsOf(one.id)
    t.match(gaps, [
      { kind: 'cut_short', tenant: 'acme', entries: 1, line: /GET \/files\/1 on route files/ },
      { kind: 'cut_short', tenant: 'globex', entries: 1, line: /tunnel GET \/files\/3/ },
      { kind: 'died', entriesAtMost: 512, requestsAtMost: 64, line: /no entry: at most 64, 7 when/ },
    ])
    t.equal(gaps.length, 3)
    t.same(
      (await gapsOf(one.id, { tenant: 'globex' })).map(({ kind, tenant }) => [kind, tenant]),
      [
        ['cut_short', 'globex'],
        ['died', null],
      ],
    )
    const since = new Date(request(3).startedAtMs)
    t.same((await gapsOf(one.id, { since })).filter(({ kind }) => kind === 'cut_short').length, 1)
  },
)

t.test('D11: one that an older program has not taken back lives, when it has been seen since', async (t) => {
  const one = await answering([request(1)])
  await noteDeath(sql, { ...died, id: one.id })
  t.equal((await gapsOf(one.id)).length, 2)
  await sql`UPDATE instances SET died_at = died_at - interval '6 seconds' WHERE id = ${one.id}`
  t.same(await gapsOf(one.id), [])
})

t.test('D11: one that has stored its last batch did not die, whoever says so', async (t) => {
  const one = await answering([request(1)])
  await one.store(one.seal([{ tenant: 'acme', startedAt: new Date(nowMs) }], { isFinal: true }))
  await noteDeath(sql, { ...died, id: one.id })
  for await (const { instance, state, gaps } of auditInstances(sql, {}))
    if (instance.id === one.id) t.match({ state, gaps }, { state: 'ended', gaps: [] })
})

t.test('D6: what the database may not have heard of is not called a bound', async (t) => {
  const one = await answering([])
  await noteDeath(sql, { ...died, id: one.id, sign: 'heir', isCutOff: true })
  t.match(await gapsOf(one.id), [
    { kind: 'died', entriesAtMost: 9000, requestsAtMost: null, line: /how many is not known, 7 when/ },
  ])
})

t.test(
  'D6: one that stops in order leaves none, and those of the dead are forgotten like entries',
  async (t) => {
    const [ended, dead] = [await answering([request(1)]), await answering([request(1)])]
    await endInstance(sql, ended.id, { acceptedSeq: 0, spilledEntries: 0 })
    await noteDeath(sql, { ...died, id: dead.id })
    const left = async (): Promise<string[]> => {
      const rows = await sql<{ id: string }[]>`
      SELECT id FROM instances WHERE under_way IS NOT NULL AND id = ANY (${[ended.id, dead.id]}::uuid[])`
      return rows.map(({ id }) => id)
    }
    t.same(await left(), [dead.id])
    await forgetUnderWay(sql, 1)
    t.same(await left(), [dead.id])
    await sql`UPDATE instances SET last_seen_at = last_seen_at - interval '25 hours' WHERE id = ${dead.id}`
    await forgetUnderWay(sql, 1)
    t.same(await left(), [])
  },
)
