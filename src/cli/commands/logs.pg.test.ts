import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import t from 'tap'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import { createTenant } from '../../store/directory/tenants.ts'
import { testWaybill } from '../../test/waybill.ts'

t.setTimeout(240_000)
const db = await testDatabase(t)
const waybill = await testWaybill(t, db.url)
const INSTANCE = '00000000-0000-4000-8000-000000000001'
// Ten minutes ago: all entries of this file lie in the past, however many they are.
const base = new Date(Date.now() - 600_000)
await ensurePartitions(db.sql, base, 2)
for (const slug of ['acme', 'other', 'followed', 'big', 'nobody']) await createTenant(db.sql, slug, {})

let seq = 0

/** Stores entries as the writer does: with a row of the ledger, in one transaction. Each started a millisecond after the one before. */
async function store(
  count: number,
  tenant: string,
  path: string,
  status = 200,
  rule: string | null = null,
): Promise<void> {
  const first = seq + 1
  seq += count
  await db.sql.begin(async (tx) => {
    await tx`
      INSERT INTO access_log (id, started_at, tenant, route, kind, method, host, path, status, outcome, bytes_received,
        bytes_sent, duration_us, client_ip, user_agent, rule_id, rule_action, instance, seq)
      SELECT gen_random_uuid(), ${base}::timestamptz + (${first} + n) * interval '1 millisecond', ${tenant}, 'npm', 'npm',
        'GET', 'h', ${path}, ${status}, 'forwarded', 10, 20, 1500, '10.0.0.1', ${'u'.repeat(200)}, ${rule},
        ${rule === null ? null : 'warn'}, ${INSTANCE}, ${first - 1} + n
      FROM generate_series(1, ${count}) n`
    await tx`
      INSERT INTO access_ledger (instance, batch, first_seq, last_seq, entries, bytes, first_started_at, last_started_at)
      SELECT ${INSTANCE}, ${first}, ${first}, ${seq}, ${count}, 1, min(started_at), max(started_at)
      FROM access_log WHERE seq BETWEEN ${first} AND ${seq}`
  })
}

function pipes(child: ChildProcess): { stdout: Readable; stderr: Readable } {
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('the child has no pipes')
  return { stdout, stderr }
}

t.test('filters, order, limit and formats', async (t) => {
  await store(3, 'acme', '/npm/a\u009b\u202e')
  await store(2, 'other', '/npm/=b', 502)
  const csv = await waybill.run('logs', '--format', 'csv', '--tenant', 'acme', '--since', '1h')
  t.equal(csv.code, 0)
  const lines = csv.stdout.trimEnd().split('\n')
  t.equal(lines.length, 4)
  t.match(lines[0], /^id,started_at,tenant,.*,instance,seq$/)
  t.match(lines[1], String.raw`/npm/a\x9b\u202e`)
  const json = JSON.parse((await waybill.run('logs', '--json', '--status', '5xx')).stdout) as {
    seq: number
  }[]
  t.same(
    json.map((entry) => entry.seq),
    [4, 5],
    'oldest first',
  )
  const newest = await waybill.run('logs', '--limit', '1')
  t.match(newest.stdout, /^TIME +TENANT [^\n]*\n[^\n]* other +[^\n]*\/npm\/=b\n$/)
  t.match(newest.stderr, '--limit all')
  t.match(await waybill.run('logs', '--tenant', 'nobody', '--json'), { code: 0, stdout: '[]\n' })
})

const YEAR_MS = 366 * 86_400_000

for (const [name, offsetMs] of [
  ['behind', -YEAR_MS],
  ['ahead', YEAR_MS],
] as const) {
  t.test(`D1: a machine whose clock is a year ${name} refuses no time for that`, async (t) => {
    const clock = `data:text/javascript,const now=Date.now;Date.now=()=>now()+${offsetMs}`
    const since = base.toISOString()
    const soon = new Date(Date.now() + 3_600_000).toISOString()
    for (const args of [
      ['usage', '--since', since],
      ['logs', '--since', since, '--until', '1s'],
      ['audit', '--since', since, '--until', '1s'],
      ['keys', 'mint', '--tenant', 'acme', '--expires', soon],
    ]) {
      const child = waybill.start(args, ['--import', clock])
      let said = ''
      child.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()))
      child.stdout?.resume()
      const [code] = (await once(child, 'close')) as [number | null]
      t.not(code, 2, said)
    }
  })
}

t.test('usage adds up per day, tenant and route', async (t) => {
  const { stdout, stderr, code } = await waybill.run('usage', '--since', base.toISOString(), '--json')
  t.equal(code, 0, stderr)
  t.match(JSON.parse(stdout), [
    { tenant: 'acme', route: 'npm', requests: 3, errors_5xx: 0, bytes_sent: 60 },
    { tenant: 'other', route: 'npm', requests: 2, errors_5xx: 2, bytes_sent: 40 },
  ])
})

t.test('--follow prints entries as they are stored and ends with 0 on SIGINT', async (t) => {
  await store(1, 'followed', '/npm/first')
  const child = waybill.start([
    'logs',
    '--follow',
    '--since',
    '1h',
    '--tenant',
    'followed',
    '--format',
    'ndjson',
  ])
  const lines = createInterface({ input: pipes(child).stdout })[Symbol.asyncIterator]()
  t.match((await lines.next()).value, '/npm/first')
  await store(1, 'followed', '/npm/second')
  t.match((await lines.next()).value, '/npm/second')
  const closed = once(child, 'close')
  child.kill('SIGINT')
  t.same(await closed, [0, null])
})

t.test('100,000 entries stream through a heap that could not hold them', async (t) => {
  await store(100_000, 'big', `/npm/${'p'.repeat(300)}`)
  // Held together, the rows would take 120 MB and more.
  const child = waybill.start(['logs', '--tenant', 'big', '--format', 'csv'], ['--max-old-space-size=64'])
  let lines = 0
  pipes(child).stdout.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10) lines++
  })
  t.same(await once(child, 'close'), [0, null])
  t.equal(lines, 100_001)
})

t.test('a reader that goes away ends the command quietly with 0', async (t) => {
  const child = waybill.start(['logs', '--tenant', 'big', '--format', 'ndjson'])
  const { stdout, stderr } = pipes(child)
  let errors = ''
  stderr.on('data', (chunk: Buffer) => void (errors += chunk.toString()))
  await once(stdout, 'data')
  stdout.destroy()
  t.same(await once(child, 'close'), [0, null])
  t.equal(errors, '')
})

t.test('--rule finds what one rule concerned, and refuses what is no id of a rule', async (t) => {
  const [rule, other] = ['r0123456789abcdef', 'r0000000000000001']
  await store(2, 'nobody', '/npm/ruled', 200, rule)
  await store(1, 'nobody', '/npm/other', 200, other)
  const { code, stdout } = await waybill.run('logs', '--rule', rule, '--json')
  t.equal(code, 0)
  t.match(JSON.parse(stdout), [
    { path: '/npm/ruled', ruleId: rule, ruleAction: 'warn' },
    { path: '/npm/ruled', ruleId: rule, ruleAction: 'warn' },
  ])
  t.match(await waybill.run('logs', '--rule', 'r00000000000000ff', '--json'), { code: 0, stdout: '[]\n' })
  t.match(await waybill.run('logs', '--rule', 'x'), { code: 2, stderr: /--rule/ })
})
