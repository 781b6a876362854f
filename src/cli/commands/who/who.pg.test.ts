import t from 'tap'
import { ensurePartitions } from '../../../store/entries/partitions.ts'
import { endInstance, registerInstance } from '../../../store/audit/instances.ts'
import { testDatabase } from '../../../test/database.ts'
import { TestInstance } from '../../../test/ledger.ts'
import { testWaybill } from '../../../test/waybill.ts'

t.setTimeout(240_000)
const { sql, url } = await testDatabase(t)
const waybill = await testWaybill(t, url)

/** Each test has a day of its own, at noon. */
const DAY_MS = 86_400_000
const today = Math.floor(Date.now() / DAY_MS) * DAY_MS
await ensurePartitions(sql, new Date(today - 9 * DAY_MS), 11)

interface Day {
  readonly since: string
  readonly until: string
  readonly at: Date
}

function dayBefore(days: number): Day {
  const start = today - days * DAY_MS
  const text = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
  return { since: text(start), until: text(start + DAY_MS), at: new Date(start + DAY_MS / 2) }
}

/** A gateway that stored four entries of a day: two downloads of left-pad 1.3.0, an index and another package. */
async function gateway(
  day: Day,
  options: { dropped?: number; isEnded?: boolean; isIdentified?: boolean } = {},
): Promise<void> {
  const { dropped = 0, isEnded = true, isIdentified = true } = options
  const instance = new TestInstance(sql)
  await registerInstance(sql, {
    id: instance.id,
    host: 'gw-1',
    version: '0.1.0',
    startedAt: day.at,
    capacityEntries: 5000,
    journalMs: 10,
  })
  const entries = ['acme', 'acme', 'globex', 'acme'].map((tenant) => ({
    tenant,
    startedAt: day.at,
    bytes: 700,
  }))
  const drops = dropped === 0 ? {} : { dropped: { acme: { channel_full: dropped } } }
  await instance.store(instance.seal(entries, { ...drops, isFinal: isEnded }))
  if (isEnded) await endInstance(sql, instance.id, { acceptedSeq: instance.acceptedSeq, spilledEntries: 0 })
  if (!isIdentified) return
  await sql`
    UPDATE access_log SET ecosystem = 'npm', package = CASE WHEN seq < 4 THEN 'left-pad' ELSE 'other' END,
      version = CASE WHEN seq <> 3 THEN '1.3.0' END, artifact_kind = CASE WHEN seq = 3 THEN 'index' ELSE 'artifact' END
    WHERE instance = ${instance.id}`
}

const whole = dayBefore(1)
await gateway(whole)

t.test('who had it is listed, and that nothing is missing', async (t) => {
  const { code, stdout, stderr } = await waybill.run(
    'who',
    'pkg:npm/left-pad@1.3.0',
    '--since',
    whole.since,
    '--until',
    whole.until,
  )
  t.equal(code, 0, stderr)
  t.match(stdout, /acme .* download +2 +1400 .* 1\.3\.0 +10\.0\.0\.1/)
  t.match(stdout, /\n1 key of 1 tenant downloaded it, and nothing is missing\n$/)
})

t.test('nobody, and nothing is missing, is an answer', async (t) => {
  const { code, stdout } = await waybill.run(
    'who',
    'pkg:npm/left-pad@2',
    '--since',
    whole.since,
    '--until',
    whole.until,
  )
  t.equal(code, 0)
  t.match(stdout, /\nnobody downloaded it, and nothing is missing\n$/)
})

t.test('nobody, but 17 entries are missing, is one too', async (t) => {
  const day = dayBefore(2)
  await gateway(day, { dropped: 17 })
  const { code, stdout } = await waybill.run(
    'who',
    'right-pad',
    '--since',
    day.since,
    '--until',
    day.until,
    '--quick',
  )
  t.equal(code, 1)
  t.match(stdout, /gap: .*17 entries.*channel_full/)
  t.match(stdout, /\nnobody downloaded it, but 17 entries are missing\n$/)
  const other = await waybill.run(
    'who',
    'right-pad',
    '--since',
    day.since,
    '--until',
    day.until,
    '--tenant',
    'globex',
  )
  t.equal(other.code, 0, 'a tenant that misses nothing')
})

t.test('rows that went are missed where rows are counted', async (t) => {
  const day = dayBefore(3)
  await gateway(day)
  await sql`DELETE FROM access_log WHERE started_at = ${day.at} AND seq = 1`
  const { code, stdout } = await waybill.run('who', 'left-pad', '--since', day.since, '--until', day.until)
  t.equal(code, 1)
  t.match(stdout, /but 1 entry is missing/)
})

t.test('entries that nobody has identified are told, with what identifies them', async (t) => {
  const day = dayBefore(4)
  await gateway(day, { isIdentified: false })
  const { code, stdout } = await waybill.run('who', 'left-pad', '--since', day.since, '--until', day.until)
  t.equal(code, 1)
  t.match(
    stdout,
    new RegExp(
      `nobody downloaded it, but 4 entries are not identified yet.*waybill identify --since ${day.since}`,
    ),
  )
})

t.test('days that have expired are told where they were asked for', async (t) => {
  await sql`
    UPDATE access_log_partitions SET dropped_at = now(), dropped_xid = pg_current_xact_id(), rows = 12, retention_days = 5, dropped_by = 'a test', instances = '{}'
    WHERE partition = ${`access_log_${dayBefore(8).since.replaceAll('-', '')}`}`
  const before = dayBefore(8)
  const { code, stdout } = await waybill.run(
    'who',
    'left-pad@1.3.0',
    '--since',
    before.since,
    '--until',
    whole.until,
  )
  t.match(
    stdout,
    new RegExp(
      `Not seen: .*12 entries of 1 day from ${before.since} until ${dayBefore(7).since}, which have expired`,
    ),
  )
  t.equal(code, 1, 'and other gaps of those days')
})

t.test('what live gateways may still accept makes it an answer so far', async (t) => {
  const day = dayBefore(0)
  await gateway({ ...day, at: new Date(Math.max(today, Date.now() - 1000)) }, { isEnded: false })
  const { code, stdout } = await waybill.run('who', 'left-pad', '--since', day.since)
  t.equal(code, 3, stdout)
  t.match(stdout, /nothing is missing, as far as was seen\. Not seen: what live gateways accepted since/)
})

t.test('one JSON object has all of it', async (t) => {
  const { code, stdout } = await waybill.run(
    'who',
    'left-pad',
    '--since',
    whole.since,
    '--until',
    whole.until,
    '--json',
  )
  t.equal(code, 0)
  t.match(JSON.parse(stdout), {
    package: 'left-pad',
    answer: '1 key of 1 tenant downloaded it, and nothing is missing',
    userCount: 2,
    users: [
      {
        package: 'pkg:npm/left-pad',
        tenant: 'acme',
        use: 'download',
        requests: 2,
        bytes_sent: 1400,
        versions: ['1.3.0'],
      },
      { tenant: 'globex', use: 'lookup', requests: 1 },
    ],
    coverage: {
      state: 'complete',
      missing: [],
      unseen: [],
      rows: 'counted',
      audit: { total: { accepted: 4, stored: 4 } },
    },
  })
})

t.test('NDJSON ends with the coverage; CSV has rows alone', async (t) => {
  const window = ['--since', whole.since, '--until', whole.until]
  const lines = (await waybill.run('who', 'left-pad', ...window, '--format', 'ndjson')).stdout
    .trim()
    .split('\n')
  t.match(JSON.parse(lines[0] ?? ''), { use: 'download', addresses: ['10.0.0.1'] })
  t.match(JSON.parse(lines.at(-1) ?? ''), { answer: /nothing is missing/, coverage: { state: 'complete' } })
  const csv = await waybill.run('who', 'left-pad', ...window, '--format', 'csv')
  t.match(
    csv.stdout,
    /^package,tenant,key_id,.*\npkg:npm\/left-pad,acme,,,,download,,2,1400,1400,.*"\[""1\.3\.0""\]",0,/,
  )
  t.equal(csv.stdout.trim().split('\n').length, 3)
  t.match(csv.stderr, /downloaded it, and nothing is missing/)
})

t.test('what cannot be read is refused with its place, before the database is asked', async (t) => {
  const bad = await waybill.run('who', 'pkg:npm/left-pad@>=1 <nope', '--since', 'x')
  t.equal(bad.code, 2)
  t.match(
    bad.stderr,
    /cannot read "pkg:npm\/left-pad@>=1 <nope": at character 22: expected a range of versions/,
  )
  t.match(bad.stderr, /--since: "x" is not a time/)
  const range = await waybill.run('who', 'left-pad', '--range', 'vers:npm/>=')
  t.equal(range.code, 2)
  t.match(range.stderr, /--range: cannot read "vers:npm\/>=": at character 12: expected a version/)
  t.equal((await waybill.run('who', 'left-pad', '--tenant', 'nobody')).code, 1)
  t.equal((await waybill.run('who', 'left-pad', '--route', 'nowhere', '--since', whole.since)).code, 1)
})
