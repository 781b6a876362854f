import t from 'tap'
import type { Snapshot, TenantGrant } from '../../model/grant.ts'
import type { LogPolicy } from '../../model/log-policy.ts'
import { tenantOf } from '../../test/grants.ts'
import { restingStats } from '../../test/metric-sources.ts'
import { logWarningsOf, readinessOf, type ReadinessFacts } from './readiness.ts'

function snapshotOf(...tenants: (Pick<TenantGrant, 'logPolicy'> & Partial<TenantGrant>)[]): Snapshot {
  const grants = tenants.map((tenant, i) => [`t${i}`, tenantOf({ slug: `t${i}`, ...tenant })] as const)
  return {
    keyCount: 0,
    tenants: new Map(grants),
    keyByDigest: () => undefined,
    keyById: () => undefined,
    signingKeys: [],
  }
}

function codes(facts: Partial<ReadinessFacts>): string[] {
  const usual: ReadinessFacts = { phase: 'ready', snapshot: snapshotOf(), reserveRefusal: null }
  const { ready, reasons } = readinessOf({ ...usual, ...facts })
  t.equal(ready, reasons.length === 0)
  return reasons.map(({ code }) => code)
}

t.test('draining, and without a snapshot, it is not ready, and says all the reasons', async (t) => {
  t.same(codes({}), [])
  t.same(codes({ phase: 'draining' }), ['draining'])
  t.same(codes({ phase: 'starting', snapshot: null }), ['starting', 'no_snapshot'])
})

t.test('D14: a snapshot that is behind is a warning with its age, and no reason', async (t) => {
  const directory = { isStale: true, isRecalled: true, ageMs: 61_000 }
  const usual: ReadinessFacts = { phase: 'ready', snapshot: snapshotOf(), reserveRefusal: null, directory }
  const { ready, warnings } = readinessOf(usual)
  t.equal(ready, true)
  t.match(warnings, [{ code: 'directory_stale', detail: /as of 61 s ago, read from disk/ }])
  t.same(readinessOf({ ...usual, directory: { ...directory, isStale: false } }).warnings, [])
  t.same(readinessOf({ ...usual, snapshot: null }).warnings, [])
})

t.test('D1: a clock that differs from that of the database is a warning, and no reason', async (t) => {
  const usual = {
    phase: 'ready',
    snapshot: snapshotOf(),
    reserveRefusal: null,
    maxClockOffsetMs: 1000,
  } as const
  for (const clockOffsetMs of [null, 0, 1000, -1000]) {
    t.same(readinessOf({ ...usual, clockOffsetMs }), { ready: true, reasons: [], warnings: [] })
  }
  t.match(readinessOf({ ...usual, clockOffsetMs: 3_600_000 }), {
    ready: true,
    warnings: [{ code: 'clock_offset', detail: /3600 s ahead of/ }],
  })
  t.match(readinessOf({ ...usual, clockOffsetMs: -60_000 }).warnings, [{ detail: /60 s behind/ }])
})

t.test(
  'G4: a database that is away, or takes no entries, is a warning in words, and no reason',
  async (t) => {
    const usual = { phase: 'ready', snapshot: snapshotOf(), reserveRefusal: null } as const
    const contact = { state: 'away', sinceMs: 14_000, silentMs: 14_000, error: 'ECONNREFUSED' } as const
    t.same(readinessOf({ ...usual, contact }), {
      ready: true,
      reasons: [],
      warnings: [
        { code: 'database_away', detail: 'the database does not answer, for 14 s by now (ECONNREFUSED)' },
      ],
    })
    for (const state of ['there', 'unknown'] as const)
      t.same(readinessOf({ ...usual, contact: { ...contact, state } }).warnings, [])
    const { writer } = restingStats().stats
    const aside = { ...writer.spill.aside, named: [] }
    const log = { ...writer, isDropping: false, spill: { ...writer.spill, aside } }
    t.same(logWarningsOf(log), [])
    t.match(logWarningsOf({ ...log, isAway: true }), [{ code: 'log_not_stored', detail: /on disk/ }])
    t.match(logWarningsOf({ ...log, consecutiveFailures: 1, spill: null }), [{ detail: /in memory/ }])
    t.match(logWarningsOf({ ...log, isAway: true, isDropping: true }), [{ code: 'log_dropping' }])
  },
)

t.test('a log that promises no place makes it unready only when an active tenant is strict', async (t) => {
  for (const reserveRefusal of ['log_blocked', 'log_full'] as const) {
    for (const logPolicy of ['spill', 'best_effort'] satisfies LogPolicy[]) {
      t.same(codes({ snapshot: snapshotOf({ logPolicy }), reserveRefusal }), [], logPolicy)
    }
    const strict = snapshotOf({ logPolicy: 'spill' }, { logPolicy: 'strict' })
    t.same(codes({ snapshot: strict, reserveRefusal }), [reserveRefusal])
    t.same(codes({ snapshot: strict }), [], 'with room it is ready')
    for (const state of ['suspended', 'deleted'] as const) {
      t.same(codes({ snapshot: snapshotOf({ logPolicy: 'strict', state }), reserveRefusal }), [], state)
    }
  }
})

t.test(
  'deliveries that have no room are a warning; a reason where the gateway is there for nothing else',
  async (t) => {
    const usual = { phase: 'ready', snapshot: snapshotOf(), reserveRefusal: null } as const
    const room = { tenants: 0, fullest: 0.5, disk: 0.1, isDiskNearlyFull: false, isNothingElse: false }
    t.same(readinessOf({ ...usual, deliveries: null }).warnings, [])
    t.same(readinessOf({ ...usual, deliveries: room }), { ready: true, reasons: [], warnings: [] })
    const full = { ...room, tenants: 2, fullest: 0.969 }
    t.match(readinessOf({ ...usual, deliveries: full }), {
      ready: true,
      reasons: [],
      warnings: [{ code: 'deliveries_nearly_full', detail: /^2 tenants have .* the fullest 96 %/ }],
    })
    t.match(readinessOf({ ...usual, deliveries: { ...full, tenants: 1, isNothingElse: true } }), {
      ready: false,
      reasons: [{ code: 'deliveries_nearly_full', detail: /^1 tenant has/ }],
      warnings: [],
    })
    t.match(readinessOf({ ...usual, deliveries: { ...room, disk: 0.95, isDiskNearlyFull: true } }).warnings, [
      { code: 'deliveries_disk_nearly_full', detail: /take 95 % of/ },
    ])
  },
)
