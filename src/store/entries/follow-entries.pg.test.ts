import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { EntryRow } from '../../model/entry-columns.ts'
import { type EntryFilter, followEntries } from './entries.ts'
import { ensurePartitions } from './partitions.ts'
import { closeSql, openControl, type Sql, type TransactionSql } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'

const { sql, target } = await testDatabase(t)
await ensurePartitions(sql, new Date(Date.now() - 86_400_000), 3)

/** Stores a batch as the writer does: ledger and entries in one transaction. */
async function store(
  on: Sql | TransactionSql,
  instance: string,
  batch: number,
  seqs: readonly number[],
  atMs: number,
) {
  const first = seqs[0] ?? 0
  const last = seqs.at(-1) ?? 0
  await on`
    WITH ledger AS (
      INSERT INTO access_ledger (instance, batch, first_seq, last_seq, entries, bytes, first_started_at, last_started_at)
      VALUES (${instance}, ${batch}, ${first}, ${last}, ${seqs.length}, 1, ${new Date(atMs)}, ${new Date(atMs + 1)})
    )
    INSERT INTO access_log (id, started_at, tenant, status, outcome, bytes_received, bytes_sent, duration_us, instance, seq)
    SELECT gen_random_uuid(), ${new Date(atMs)}, CASE WHEN n % 2 = 0 THEN 'even' END, 200, 'forwarded', 0, 0, 0, ${instance}::uuid, n
    FROM unnest(${seqs}::bigint[]) n`
}

const nameOf = (row: EntryRow) => `${row.instance}/${row.seq}`

interface Follower {
  readonly seen: EntryRow[]
  /** Resolves when all these (`instance/seq`) have come. */
  readonly reached: (names: readonly string[]) => Promise<void>
  readonly end: () => Promise<void>
}

function follow(filter: EntryFilter, from?: Date): Follower {
  const control = new AbortController()
  const seen: EntryRow[] = []
  let check = () => {}
  const done = (async () => {
    const options = { signal: control.signal, pollMs: 5, ...(from === undefined ? {} : { from }) }
    for await (const rows of followEntries(sql, filter, options)) {
      seen.push(...rows)
      check()
    }
  })()
  return {
    seen,
    reached: (names) =>
      new Promise((resolve) => {
        check = () => {
          const come = new Set(seen.map(nameOf))
          if (names.every((name) => come.has(name))) resolve()
        }
        check()
      }),
    end: async () => {
      control.abort()
      await done
    },
  }
}

t.test('entries come once each, in whatever order transactions commit', async (t) => {
  const handles = Array.from({ length: 3 }, () => openControl(target, { max: 1 }))
  t.teardown(() => Promise.all(handles.map((handle) => closeSql(handle, 1000))))
  const old = randomUUID()
  await store(sql, old, 1, [1, 2], Date.now())

  const follower = follow({})
  const marker = randomUUID()
  // The follower's start is a round trip of its own: batches count from when it has begun.
  for (let batch = 1; follower.seen.length === 0; batch++) {
    await store(sql, marker, batch, [batch], Date.now())
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  const slow = randomUUID()
  const overtaking: string[] = []
  const begun = sql.begin(async (tx) => {
    await store(tx, slow, 7, [70, 71, 72], Date.now() - 3_600_000)
    // Others overtake it while it is under way, one of them of the same instance.
    await Promise.all(
      handles.map(async (handle) => {
        const instance = randomUUID()
        for (let batch = 0; batch < 20; batch++) {
          const seqs = [batch * 3, batch * 3 + 1, batch * 3 + 2]
          await store(handle, instance, batch, seqs, Date.now())
          overtaking.push(...seqs.map((seq) => `${instance}/${seq}`))
        }
      }),
    )
    await store(handles[0] ?? sql, slow, 8, [80], Date.now())
    await follower.reached([...overtaking, `${slow}/80`])
    t.notOk(
      follower.seen.some((row) => nameOf(row) === `${slow}/70`),
      'not committed yet',
    )
  })
  await begun
  // A late replay: an older batch number after a newer one.
  await store(sql, slow, 3, [30], Date.now() - 7_200_000)
  await follower.reached([30, 70, 71, 72].map((seq) => `${slow}/${seq}`))
  await follower.end()
  const names = follower.seen.map(nameOf)
  t.equal(new Set(names).size, names.length, 'none twice')
  t.notOk(
    names.some((name) => name.startsWith(old)),
    'nothing from before',
  )
})

t.test('from a moment on, batches stored before the call come too; the filter applies', async (t) => {
  const instance = randomUUID()
  const from = new Date()
  const seqs = Array.from({ length: 1500 }, (_, i) => i)
  await store(sql, instance, 1, seqs, Date.now())
  await store(sql, instance, 2, [], Date.now())
  const follower = follow({ tenant: 'even' }, new Date(from.getTime() - 5))
  await follower.reached([`${instance}/1498`])
  await store(sql, instance, 3, [2000, 2001], Date.now())
  await follower.reached([`${instance}/2000`])
  await follower.end()
  t.same(
    follower.seen.filter((row) => row.instance === instance).map((row) => row.seq),
    [...seqs.filter((seq) => seq % 2 === 0), 2000],
  )
})

t.test(
  'entries whose start has microseconds are followed too (a driver Date once cut the bounds)',
  async (t) => {
    const follower = follow({}, new Date(Date.now() - 5000))
    t.teardown(() => follower.end())
    const instance = randomUUID()
    const at = `${new Date().toISOString().slice(0, 19)}.123456Z`
    await sql.begin(async (on) => {
      await on`
      INSERT INTO access_ledger (instance, batch, first_seq, last_seq, entries, bytes, first_started_at, last_started_at)
      VALUES (${instance}, 1, 1, 1, 1, 1, ${at}::text::timestamptz, ${at}::text::timestamptz)`
      await on`
      INSERT INTO access_log (id, started_at, status, outcome, bytes_received, bytes_sent, duration_us, instance, seq)
      VALUES (gen_random_uuid(), ${at}::text::timestamptz, 200, 'forwarded', 0, 0, 0, ${instance}, 1)`
    })
    await follower.reached([`${instance}/1`])
    t.equal(follower.seen.filter((row) => row.instance === instance).length, 1)
  },
)

t.test('an aborted follower ends at once', async (t) => {
  const signal = AbortSignal.abort()
  for await (const rows of followEntries(sql, {}, { signal, pollMs: 60_000 })) t.fail(`${rows.length} rows`)
  const control = new AbortController()
  const all = (async () => {
    for await (const rows of followEntries(sql, {}, { signal: control.signal, pollMs: 600_000 }))
      t.equal(rows.length, 0)
  })()
  control.abort()
  await all
})
