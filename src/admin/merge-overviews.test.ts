import t from 'tap'
import { restingStats } from '../test/metric-sources.ts'
import { countedOverview, mergeOverviews } from './merge-overviews.ts'
import { readOverview, type Overview } from './overview.ts'

const IDENTITY = { version: '1', instance: 'primary', uptimeMs: 5 }

function overview(change: (stats: ReturnType<typeof restingStats>) => void): Overview {
  const resting = restingStats()
  change(resting)
  return readOverview(resting.sources, { version: '1', instance: 'worker', uptimeMs: 1 })
}

/** As the process meets the database that has been as told for `sinceMs`. */
function databaseOf(state: 'there' | 'away' | 'unknown', sinceMs: number, isAway = false): Overview {
  return overview(({ stats }) => {
    Object.assign(stats.database, { state, sinceMs })
    stats.writer.isAway = isAway
  })
}

/** Law 3 in one reading. */
function isBalanced({ accessLog }: Overview): boolean {
  const { accepted, stored, spilled, quarantined, buffered, dropped } = accessLog
  return (
    accepted === stored + spilled + quarantined + buffered + Object.values(dropped).reduce((a, b) => a + b, 0)
  )
}

const busy = overview(({ stats, countRequest }) => {
  countRequest('forwarded', 2)
  countRequest('rate_limited', 4)
  Object.assign(stats.proxy, { inFlight: 1, connections: 2 })
  Object.assign(stats.totals, { accepted: 10, stored: 4, spilled: 1, quarantined: 2, buffered: 2 })
  stats.totals.dropped.channel_full = 1
  Object.assign(stats.channel, { size: 2, capacityEntries: 100 })
  Object.assign(stats.writer, { mode: 'backing_off', oldestUnflushedAgeMs: 900, consecutiveFailures: 3 })
  Object.assign(stats.directory, { ageMs: 40, keys: 7, tenants: 3 })
})
const calm = overview(({ stats, countRequest }) => {
  countRequest('forwarded', 2)
  Object.assign(stats.proxy, { inFlight: 2, connections: 3 })
  Object.assign(stats.totals, { accepted: 5, stored: 5 })
  Object.assign(stats.channel, { size: 0, capacityEntries: 100 })
  Object.assign(stats.writer, { mode: 'idle', oldestUnflushedAgeMs: 0, consecutiveFailures: 0 })
  Object.assign(stats.directory, { ageMs: 90, keys: 6, tenants: 3 })
})

t.test('counts add up, ages and failures are those of the worst, keys those that all know', async (t) => {
  const merged = mergeOverviews(IDENTITY, [busy, calm])
  t.match(merged, {
    instance: 'primary',
    uptimeMs: 5,
    requests: { total: 3, byOutcome: { forwarded: 2, rate_limited: 1 }, inFlight: 3, connections: 5 },
    accessLog: {
      writerMode: 'backing_off',
      accepted: 15,
      stored: 9,
      buffered: 2,
      dropped: { channel_full: 1 },
      channelEntries: 2,
      capacityEntries: 200,
      oldestUnflushedAgeMs: 900,
      consecutiveFailures: 3,
    },
    directory: { ageMs: 90, keys: 6, tenants: 3 },
  })
  t.ok(isBalanced(merged))
})

t.test(
  'a worker that has gone stays in the counts and in nothing else, and the books stay balanced',
  async (t) => {
    const gone = countedOverview(busy)
    const merged = mergeOverviews(IDENTITY, [gone, calm])
    t.match(merged, {
      requests: { total: 3, inFlight: 2, connections: 3 },
      accessLog: {
        writerMode: 'idle',
        accepted: 12,
        stored: 9,
        spilled: 0,
        buffered: 0,
        capacityEntries: 100,
      },
      directory: { ageMs: 90, keys: 6, tenants: 3 },
    })
    t.ok(isBalanced(merged))
    t.strictSame(
      countedOverview(mergeOverviews(IDENTITY, [gone])).accessLog,
      gone.accessLog,
      'any number of times',
    )
  },
)

t.test('with no worker there is nothing known', async (t) => {
  t.match(mergeOverviews(IDENTITY, []), { requests: { total: 0 }, directory: { ageMs: null, keys: 0 } })
  t.match(mergeOverviews(IDENTITY, [countedOverview(calm)]).directory, { ageMs: null, keys: 0, tenants: 0 })
})

t.test(
  'G4: the database is as the process says that has it worst, and those that have gone say nothing',
  async (t) => {
    const merged = (...parts: Overview[]) => mergeOverviews(IDENTITY, parts).database
    t.match(merged(databaseOf('there', 50), databaseOf('away', 700), databaseOf('away', 900)), {
      state: 'away',
      sinceMs: 900,
    })
    t.match(merged(databaseOf('there', 50), databaseOf('there', 20), databaseOf('unknown', 9)), {
      state: 'there',
      sinceMs: 20,
      isStoring: true,
    })
    t.match(merged(databaseOf('there', 50), databaseOf('there', 90, true)), {
      state: 'there',
      isStoring: false,
    })
    t.match(merged(countedOverview(databaseOf('away', 5, true)), databaseOf('there', 1)), {
      state: 'there',
      isStoring: true,
    })
    t.match(merged(), { state: 'unknown', isStoring: true })
  },
)
