import { AssertionError } from 'node:assert'
import t from 'tap'
import { Ledger } from '../../channel/ledger.ts'
import { DatabaseTurns } from '../database/database-turns.ts'
import { BatchRepair } from '../batch-repair.ts'
import { Replayer } from './replayer.ts'
import { Spill } from './spill.ts'
import { MemoryFiles } from '../../test/files.ts'
import { FakeClock, settle } from '../../test/clock.ts'
import { entryOf, FakeStore, INSTANCE, sealedBatch } from '../../test/writer-parts.ts'
import { LoopFaults } from '../watch/loop-faults.ts'
import { WriterCounters } from '../writer-stats.ts'
import { WriterLog } from '../writer-log.ts'

/** A spill that takes its time to come to rest. */
class SlowSpill extends Spill {
  endRest: (() => void) | null = null

  override async rest(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.endRest = resolve
    })
  }
}

/** `onFill`: called whenever the replay asks how full the channel is. */
function rigOf(onFill: () => void = () => {}) {
  const clock = new FakeClock()
  const logger = { info() {}, warn() {}, error() {} }
  const spill = new SlowSpill({
    directory: '/spill',
    instance: INSTANCE,
    maxBytes: 1e6,
    syncIntervalMs: 100,
    logger,
    clock,
    files: new MemoryFiles(() => clock.nowMs()),
  })
  const shared = {
    ledger: new Ledger(),
    counters: new WriterCounters(),
    clock,
    log: new WriterLog(logger, clock),
  }
  const database = new DatabaseTurns(new FakeStore(clock))
  const faults = new LoopFaults(() => 7)
  const replayer = new Replayer({
    lives: { has: (id) => id === INSTANCE, meetForeign: () => {} },
    backlog: {
      get fill() {
        onFill()
        return 0
      },
    },
    faults,
    ...shared,
    spill,
    database,
    repair: new BatchRepair({ ...shared, database, ensurePartitions: async () => {} }),
    random: () => 0.5,
    options: {
      maxBatchEntries: 50,
      maxBatchBytes: 1e6,
      backoffMinMs: 100,
      backoffMaxMs: 5000,
      journal: null,
    },
  })
  return { spill, replayer, faults, clock, counters: shared.counters }
}

t.test('a drain that begins while the spill comes to rest does not wait for its deadline', async (t) => {
  for (const end of ['finish', 'stop'] as const) {
    const { spill, replayer } = rigOf()
    let isEnded = false
    void replayer.run().then(() => (isEnded = true))
    await settle()
    replayer[end]()
    spill.endRest?.()
    await settle()
    t.equal(isEnded, true, end)
  }
})

t.test(
  'a fault of the replay is tried again each second, whatever is spilled meanwhile, and counted',
  async (t) => {
    let tries = 0
    let isFaulty = true
    const { spill, replayer, faults, clock, counters } = rigOf(() => {
      tries++
      if (isFaulty) throw new AssertionError({ message: 'for ever' })
    })
    const append = async (number: number): Promise<void> => {
      t.not(await spill.append(sealedBatch([entryOf()], { number })), null)
    }
    await append(1)
    const running = replayer.run()
    for (let number = 2; number <= 50; number++) {
      await append(number)
      await clock.advance(100)
    }
    t.ok(tries >= 4 && tries <= 6, `${tries} times in 4.9 s`)
    t.match(counters, { consecutiveFailures: tries, lastErrorCode: 'fault' })
    t.equal(faults.visibleSteps, 7, 'it may pass')
    await clock.advance(30_000)
    t.not(faults.visibleSteps, 7, 'no step for the watchdog any more')
    isFaulty = false
    await clock.advance(1000)
    await settle()
    t.equal(spill.hasPending, false, 'all is stored')
    t.match([faults.visibleSteps, counters.consecutiveFailures], [7, 0])
    replayer.stop()
    spill.endRest?.()
    await running
  },
)
