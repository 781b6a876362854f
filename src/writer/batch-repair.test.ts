import fc from 'fast-check'
import t from 'tap'
import type { Batch } from './batch/batch.ts'
import { Ledger } from '../channel/ledger.ts'
import { DatabaseTurns } from './database/database-turns.ts'
import { BatchRepair } from './batch-repair.ts'
import { FakeClock } from '../test/clock.ts'
import { entryOf, failureOf, FakeStore, sealedBatch } from '../test/writer-parts.ts'
import { WriterCounters } from './writer-stats.ts'
import { WriterLog } from './writer-log.ts'

/** A repair before a Postgres that names no row, and what it takes to store a batch of these paths. */
async function mendAll(paths: readonly string[], prepare: (store: FakeStore) => void = () => {}) {
  const clock = new FakeClock()
  const store = new FakeStore(clock)
  store.isBlind = true
  prepare(store)
  const database = new DatabaseTurns(store)
  const logger = { info() {}, warn() {}, error() {} }
  const repair = new BatchRepair({
    ensurePartitions: async () => {},
    ledger: new Ledger(),
    counters: new WriterCounters(),
    clock,
    log: new WriterLog(logger, clock),
    database,
  })
  repair.beginBatch()
  let batch: Batch | null = sealedBatch(paths.map((path) => entryOf({ path })))
  let waits = 0
  for (let attempts = 1; ; attempts++) {
    const outcome = await database.store('live', batch)
    if ('state' in outcome) return { store, attempts, waits, batch }
    const mended = await repair.mend(batch, outcome)
    if (mended === null) {
      waits++
      repair.afterBackOff()
      if (waits > 1000) throw new Error('it never ends')
    }
    batch = mended ?? batch
  }
}

const seqs = ({ quarantined }: Batch): number[] => quarantined.map(({ seq }) => seq)

t.test('finds poisoned rows that Postgres does not name, and stores all the others', async (t) => {
  const paths = Array.from({ length: 128 }, (_, i) => (i === 17 || i === 18 || i === 127 ? '/poison' : '/'))
  const { store, batch, attempts, waits } = await mendAll(paths)
  t.same(seqs(batch), [18, 19, 128], 'exactly those')
  t.equal(store.rows.length, 125)
  t.equal(store.quarantine.length, 3)
  t.equal(attempts, 4, 'one for each row found, and the last')
  t.ok(store.probes.length <= 3 * 8, `${store.probes.length} rows tried out, 1 + log2(128) for each at most`)
  t.equal(waits, 0)
})

t.test('of rows that are refused only together, the later one goes', async (t) => {
  const paths = ['/', '/unique', '/', '/', '/unique', '/']
  const { store, batch } = await mendAll(paths)
  t.same(seqs(batch), [5])
  t.equal(store.rows.length, 5)
})

t.test('whatever rows are poisoned, these and no others go to quarantine', async (t) => {
  const rows = fc.array(fc.constantFrom('/', '/', '/', '/poison', '/unique'), { minLength: 1, maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(rows, async (paths) => {
      const { store, batch } = await mendAll(paths)
      const guilty = paths.flatMap((path, i) =>
        path === '/poison' || (path === '/unique' && paths.indexOf(path) < i) ? [i + 1] : [],
      )
      t.same(seqs(batch), guilty)
      t.equal(store.rows.length, paths.length - guilty.length)
    }),
    { numRuns: 200 },
  )
})

t.test('a refusal of all rows ends in quarantine after a bounded search', async (t) => {
  const { store, batch, waits } = await mendAll(Array.from({ length: 1000 }, () => '/poison'))
  t.equal(batch.quarantined.length, 1000)
  t.equal(store.rows.length, 0)
  t.ok(store.probes.length < 64 * 12, `${store.probes.length} rows tried out`)
  t.ok(waits > 8 && waits < 40, `${waits} waits`)
})

t.test('a database that goes away during the search blames no row', async (t) => {
  let calls = 0
  const { store, batch, waits } = await mendAll(['/', '/poison', '/', '/'], (store) => {
    const probe = store.probe.bind(store)
    store.probe = async (rows) => {
      if (++calls === 2) throw failureOf('retry', '57P01')
      await probe(rows)
    }
  })
  t.equal(waits, 1, 'it is waited for')
  t.same(seqs(batch), [2])
  t.equal(store.rows.length, 3)
})
