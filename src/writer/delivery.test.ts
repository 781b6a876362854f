import t from 'tap'
import { TestLog } from '../test/log.ts'
import { entryOf, failureOf } from '../test/writer-parts.ts'

function push(log: TestLog, n: number): void {
  for (let i = 0; i < n; i++) log.channel.push(entryOf({ startedAtMs: log.clock.nowMs() }))
}

/** When, in ms from now, to 100 ms, the log becomes blocked; Infinity when it does not within 20 s. */
async function blockedAfterMs(log: TestLog): Promise<number> {
  for (let ms = 0; ms <= 20_000; ms += 100) {
    if (log.writer.isBlocked) return ms
    await log.pass(100)
  }
  return Infinity
}

t.test(
  'without a disk the log is blocked a second after the first failure, and until a batch is stored',
  async (t) => {
    const log = new TestLog({ spillMaxBytes: 0 })
    push(log, 10)
    await log.pass(100)
    t.equal(log.writer.isBlocked, false)
    log.store.failure = failureOf('retry', 'ECONNREFUSED')
    await log.pass(60_000)
    t.equal(log.writer.isBlocked, false, 'nobody knows: there is nothing to be stored')
    push(log, 10)
    t.equal(await blockedAfterMs(log), 1000)
    t.equal(log.channel.reserve('acme'), 'log_blocked')
    await log.pass(60_000)
    t.equal(log.writer.isBlocked, true, 'for as long as it lasts')
    log.store.failure = null
    await log.pass(10_000)
    t.same([log.writer.isBlocked, log.ledger.totals.stored], [false, 20])
  },
)

t.test('a single failure, or a COPY of two seconds, blocks nothing', async (t) => {
  const log = new TestLog({ spillMaxBytes: 0 })
  log.store.script.push('refuse', 'lost_ack')
  push(log, 10)
  t.equal(await blockedAfterMs(log), Infinity)
  log.store.slowMs = 2000
  push(log, 500)
  t.equal(await blockedAfterMs(log), Infinity)
  t.equal(log.ledger.totals.stored, 510)
})

t.test('a frozen database blocks it after three seconds, also beyond the time-out of its COPY', async (t) => {
  for (const spillMaxBytes of [0, 1]) {
    const log = new TestLog({ spillMaxBytes })
    log.store.script.push('hang', 'hang', 'hang')
    push(log, 10)
    const ms = await blockedAfterMs(log)
    t.ok(ms >= 3000 && ms <= 3200, `${ms}`)
    for (let i = 0; i < 250; i++) {
      await log.pass(100)
      if (!log.writer.isBlocked) return t.fail(`not blocked any more after ${i * 100} ms`)
    }
    await log.pass(20_000)
    t.equal(log.writer.isBlocked, false, 'stored at the fourth attempt')
  }
})

t.test(
  'a disk that takes the batches, or has not been asked yet, blocks nothing; a full one does',
  async (t) => {
    const spilling = new TestLog()
    spilling.store.failure = failureOf('retry', 'ECONNREFUSED')
    push(spilling, 10)
    t.equal(await blockedAfterMs(spilling), Infinity)
    spilling.disk.error = 'ENOSPC'
    push(spilling, 10)
    t.ok((await blockedAfterMs(spilling)) <= 2200, 'as soon as the next batch is refused')
    spilling.disk.error = null
    await spilling.pass(1000)
    t.equal(spilling.writer.isBlocked, false, 'room again')
  },
)

t.test(
  'a database that answers late, while the channel is nearly full, is not taken for away afterwards',
  async (t) => {
    // Its answer ended the wait for it as if it were too slow, which said again that the database is away.
    const log = new TestLog({ capacityEntries: 200, spillMaxBytes: 1 })
    log.store.slowMs = 2000
    for (let i = 0; i < 200; i++) {
      push(log, 10)
      await log.pass(100)
      if (log.writer.isBlocked) return t.fail('blocked, although batch after batch is stored')
    }
    log.store.slowMs = 0
    await log.pass(5000)
    t.equal(log.writer.stats.isAway, false)
    t.equal(log.ledger.totals.buffered, 0)
  },
)
