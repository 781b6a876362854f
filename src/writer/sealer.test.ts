import t from 'tap'
import { RowBuffer } from './batch/row-buffer.ts'
import { TestLog } from '../test/log.ts'
import { brokenAccounts, entryOf } from '../test/writer-parts.ts'

/** One full batch, whose COPY takes 100 ms, and ten entries more. */
async function rigOf(): Promise<TestLog> {
  const log = new TestLog({ spillMaxBytes: 0 })
  log.store.slowMs = 100
  for (let i = 0; i < 60; i++) log.channel.push(entryOf())
  await log.pass(0)
  return log
}

t.test('begins the next batch while one is on its way', async (t) => {
  const { channel, writer, store, ledger, pass } = bound(await rigOf())
  t.match([writer.stats.inHandEntries, channel.size], [50, 0])
  t.equal(ledger.totals.buffered, 60)
  await pass(50)
  channel.push(entryOf())
  let isFlushed = false
  const flushed = writer.flush().then(() => (isFlushed = true))
  await pass(75)
  t.match([store.rows.length, writer.stats.inHandEntries, isFlushed], [50, 11, false])
  t.equal(writer.stats.oldestUnflushedAgeMs, 125, 'what was taken ahead has waited since it came')
  await pass(100)
  await flushed
  t.same(
    store.rows.map(({ seq }) => seq),
    Array.from({ length: 61 }, (_, i) => i + 1),
  )
  t.match(writer.stats, { mode: 'idle', oldestUnflushedAgeMs: 0 })
  t.same(brokenAccounts(ledger), [])
})

t.test('what was taken ahead is lost with the rest at the deadline, and is counted', async (t) => {
  const { writer, ledger, pass } = bound(await rigOf())
  const drained = writer.drain(10)
  await pass(20)
  t.match(await drained, { stored: false, lost: 60 })
  t.match(ledger.totals, { buffered: 0, dropped: { shutdown: 60 } })
  t.same(brokenAccounts(ledger), [])
})

t.test('takes nothing ahead while the database is away', async (t) => {
  const log = new TestLog()
  const { channel, store, ledger, pass } = bound(log)
  store.script.push('hang')
  for (let i = 0; i < 5; i++) channel.push(entryOf())
  await pass(2000)
  await pass(3100)
  t.ok(log.writer.stats.isAway)
  for (let i = 0; i < 60; i++) channel.push(entryOf())
  await pass(10)
  t.match(ledger.totals, { buffered: 0, spilled: 65 })
  t.same(brokenAccounts(ledger), [])
})

t.test('the buffer of the rows grows, keeps what it has, and begins anew when that is taken', async (t) => {
  const rows = new RowBuffer()
  t.equal(rows.append('é\n').toString(), 'é\n')
  const long = `${'€'.repeat(200_000)}\n`
  t.equal(rows.append(long).toString(), long)
  t.equal(rows.length, Buffer.byteLength(long) + 3)
  const taken = rows.take()
  t.equal(rows.append('x\n').toString(), 'x\n')
  t.equal(taken.toString(), `é\n${long}`, 'what was taken is not written over')
  t.equal(rows.take().toString(), 'x\n')
  t.equal(rows.take().length, 0)
})

function bound(log: TestLog): Pick<TestLog, 'channel' | 'writer' | 'store' | 'ledger' | 'pass'> {
  const { channel, writer, store, ledger } = log
  return { channel, writer, store, ledger, pass: (ms) => log.pass(ms) }
}
