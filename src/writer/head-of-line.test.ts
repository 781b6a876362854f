import t from 'tap'
import type { BatchError } from './database/failure.ts'
import { TestLog } from '../test/log.ts'
import { brokenAccounts, entryOf, failureOf } from '../test/writer-parts.ts'

type Rows = readonly { path: string; tenant: string }[]

/** Refuses each row of this path, and says which it is, or does not. */
function refuses(path: string, kind: BatchError['kind'], code: string, isNamed = true) {
  return (rows: Rows): BatchError | null => {
    const at = rows.findIndex((row) => row.path === path)
    return at === -1 ? null : failureOf(kind, code, isNamed ? at + 1 : null)
  }
}

/** Has something against a batch with this path, though all of its rows are taken when they are tried out. */
function fails(path: string, failure: BatchError) {
  return (rows: Rows, isProbe: boolean): BatchError | null =>
    !isProbe && rows.some((row) => row.path === path) ? failure : null
}

function push(log: TestLog, entries: number, fields: Parameters<typeof entryOf>[0] = {}): void {
  for (let i = 0; i < entries; i++) log.channel.push(entryOf({ startedAtMs: log.clock.nowMs(), ...fields }))
}

for (const spillMaxBytes of [1e7, 0]) {
  const where = spillMaxBytes === 0 ? 'without a spill' : 'with a spill'
  for (const [kind, code] of [
    ['suspect', 'AC001'],
    ['suspect', 'XX001'],
    ['unusable', '42883'],
    ['unusable', '0A000'],
    ['retry', '57014'],
  ] as const) {
    t.test(
      `D3: ${code} for a row of one tenant costs that row its place, and nobody else, ${where}`,
      async (t) => {
        const log = new TestLog({ spillMaxBytes })
        log.store.judge = refuses('/cursed', kind, code)
        for (let i = 0; i < 5; i++) {
          push(log, 10, { tenant: 'good' })
          push(log, 1, { tenant: 'evil', path: '/cursed' })
          push(log, 4, { tenant: 'evil' })
          await log.pass(3000)
        }
        await log.pass(30_000)
        t.match(log.ledger.account('good'), { stored: 50, quarantined: 0 })
        t.match(log.ledger.account('evil'), { stored: 20, quarantined: 5, spilled: 0, buffered: 0 })
        t.equal(log.writer.stats.isAway, false)
        t.same(brokenAccounts(log.ledger), [])
        await log.writer.drain(1000)
      },
    )
  }
}

t.test('D3: a row that nobody names is found when it is an error of no known class', async (t) => {
  const log = new TestLog()
  log.store.judge = refuses('/cursed', 'suspect', 'AC001', false)
  push(log, 20, { tenant: 'good' })
  push(log, 1, { tenant: 'evil', path: '/cursed' })
  push(log, 9, { tenant: 'good' })
  await log.pass(10_000)
  t.match(log.ledger.totals, { stored: 29, quarantined: 1, spilled: 0 })
  t.same(
    log.store.quarantine.map(({ seq }) => seq),
    [21],
  )
})

t.test(
  'D3: what refuses every row is the database’s: nothing goes to quarantine, all is stored later',
  async (t) => {
    for (const [kind, code] of [
      ['suspect', 'AC001'],
      ['unusable', '42883'],
      ['suspect', 'XX002'],
    ] as const) {
      const log = new TestLog()
      log.store.judge = (rows) => (rows.length > 0 ? failureOf(kind, code, 1) : null)
      for (let i = 0; i < 5; i++) {
        push(log, 15)
        await log.pass(3000)
      }
      t.match(log.ledger.totals, { stored: 0, quarantined: 0, spilled: 75 }, code)
      log.store.judge = null
      await log.pass(10_000)
      t.match(log.ledger.totals, { stored: 75, quarantined: 0, spilled: 0 }, code)
      t.same(brokenAccounts(log.ledger), [])
    }
  },
)

for (const [name, failure] of [
  ['a damaged index of the ledger', failureOf('suspect', 'XX002')],
  ['a full tablespace', failureOf('retry', '53100')],
  ['a lock that somebody holds', failureOf('retry', '55P03')],
  ['a server that breaks the connection', failureOf('retry', 'closed')],
] as const) {
  t.test(`D3: a batch that fails while others are stored stands aside: ${name}`, async (t) => {
    const log = new TestLog()
    const { clock, ledger, store, writer } = log
    store.judge = fails('/cursed', failure)
    push(log, 9, { tenant: 'evil' })
    push(log, 1, { tenant: 'evil', path: '/cursed' })
    await log.pass(3000)
    let others = 0
    for (let i = 0; i < 20; i++) {
      push(log, 10, { tenant: 'good' })
      others += 10
      await log.pass(3000)
    }
    t.match(ledger.account('good'), { stored: others, spilled: 0, buffered: 0 })
    t.match(ledger.account('evil'), { spilled: 10, stored: 0 })
    t.match(writer.stats.spill?.aside, { batches: 1, entries: 10, named: [{ code: failure.code }] })
    const sent = store.sent.filter(({ number }) => number === 1).length
    t.ok(sent < 20, `sent ${sent} times in a minute`)
    t.same(brokenAccounts(ledger), [])
    const before = clock.nowMs()
    store.judge = null
    while (ledger.account('evil').stored === 0 && clock.nowMs() < before + 700_000) await log.pass(10_000)
    t.match(ledger.account('evil'), { stored: 10, spilled: 0, quarantined: 0 }, 'stored once it can be')
    t.match(writer.stats.spill, { pendingEntries: 0, aside: { batches: 0, entries: 0 } })
    t.same(brokenAccounts(ledger), [])
    await writer.drain(1000)
  })
}

t.test('D3: a batch whose backends somebody ends for a moment does not stand aside', async (t) => {
  const log = new TestLog()
  log.store.judge = fails('/unlucky', failureOf('retry', '57P01'))
  push(log, 128, { path: '/unlucky' })
  for (let i = 0; i < 40; i++) {
    await log.pass(100)
    push(log, 128, { tenant: 'good' })
  }
  t.ok(log.ledger.account('good').stored > 0, 'others are stored')
  t.ok(log.store.sent.filter(({ number }) => number === 1).length > 3, 'it has broken more than three')
  t.match(log.writer.stats.spill, { aside: { batches: 0 } })
  log.store.judge = null
  for (let i = 0; i < 60 && log.ledger.totals.spilled > 0; i++) await log.pass(1000)
  t.match(log.ledger.totals, { stored: 41 * 128, spilled: 0 })
  await log.writer.drain(1000)
})

t.test(
  'D3: set aside five times, a batch goes to quarantine whole; its other rows are kept with it',
  async (t) => {
    const log = new TestLog()
    log.store.judge = fails('/cursed', failureOf('suspect', 'XX002'))
    push(log, 9, { tenant: 'evil' })
    push(log, 1, { tenant: 'evil', path: '/cursed' })
    for (let i = 0; i < 30 && log.ledger.account('evil').quarantined === 0; i++) {
      push(log, 10, { tenant: 'good' })
      await log.pass(60_000)
    }
    t.match(log.ledger.account('evil'), { quarantined: 10, spilled: 0 })
    t.match(log.writer.stats.spill, { pendingEntries: 0, aside: { batches: 0 } })
    t.same(brokenAccounts(log.ledger), [])
    await log.writer.drain(1000)
  },
)

t.test(
  'D10: a backlog that cannot be read keeps no live entry from the database after an outage',
  async (t) => {
    const log = new TestLog()
    const { ledger, store, disk, writer } = log
    store.failure = failureOf('retry', 'ECONNREFUSED')
    push(log, 20, { tenant: 'old' })
    await log.pass(3000)
    for (const path of disk.paths) disk.unreadable.set(path, 'EACCES')
    store.failure = null
    let others = 0
    for (let i = 0; i < 10; i++) {
      push(log, 10, { tenant: 'live' })
      others += 10
      await log.pass(3000)
    }
    // The first of them went to the segment that was open; what comes after the database was found is stored.
    t.equal(ledger.account('live').stored + ledger.account('live').spilled, others)
    t.ok(ledger.account('live').stored >= others - 20, `${ledger.account('live').stored} stored`)
    t.equal(writer.stats.isAway, false)
    t.match(writer.stats.spill?.aside, { segments: 1, named: [{ code: 'EACCES' }] })
    t.same(brokenAccounts(ledger), [])
    disk.unreadable.clear()
    await log.pass(40_000)
    t.match(ledger.totals, { stored: 20 + others, spilled: 0, buffered: 0 })
    t.same(
      store.rows.map(({ seq }) => seq).sort((a, b) => a - b),
      Array.from({ length: 20 + others }, (_, i) => i + 1),
      'each once',
    )
    t.same(disk.paths, [], 'and nothing is left')
    await writer.drain(1000)
  },
)

t.test('D3: a row that a trigger skips is found, though the error is of our own making', async (t) => {
  const log = new TestLog()
  log.store.judge = refuses('/skipped', 'rejected', 'skipped', false)
  push(log, 20, { tenant: 'good' })
  push(log, 1, { tenant: 'evil', path: '/skipped' })
  push(log, 9, { tenant: 'good' })
  await log.pass(10_000)
  t.match(log.ledger.totals, { stored: 29, quarantined: 1, spilled: 0 })
})
