import t from 'tap'
import { Ledger } from '../../channel/ledger.ts'
import { DatabaseTurns } from '../database/database-turns.ts'
import { BatchRepair } from '../batch-repair.ts'
import { Replayer } from './replayer.ts'
import { Spill } from './spill.ts'
import { MemoryFiles } from '../../test/files.ts'
import { FakeClock, FakeStore, INSTANCE, settle } from '../../test/writer-parts.ts'
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

function rigOf() {
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
  const replayer = new Replayer({
    lives: { has: (id) => id === INSTANCE, meetForeign: () => {} },
    backlog: { fill: 0 },
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
  return { spill, replayer }
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
