import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { until } from '../../lib/time/sleep.ts'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import { type TestEntry, TestInstance } from '../../test/ledger.ts'
import { testWaybill } from '../../test/waybill.ts'

t.setTimeout(240_000)
const { sql, url } = await testDatabase(t)
const waybill = await testWaybill(t, url)
const NOON = new Date('2026-11-21T12:00:00Z')
const WINDOW = ['--since', '2026-11-21', '--until', '2026-11-22']
await ensurePartitions(sql, NOON, 1)
await writeFile(
  join(waybill.cwd, 'waybill.yaml'),
  `routes:
  - { name: npm, kind: npm, path: /npm/, upstream: "https://npm.example.test/" }
  - { name: moved, kind: generic, path: /moved/, upstream: "https://files.example.test/" }
`,
)

/** Rows of kind npm, as programs wrote them that told nothing of artifacts. */
async function storeOlder(entries: readonly Partial<TestEntry>[]): Promise<void> {
  await sql`TRUNCATE access_log, access_ledger`
  const instance = new TestInstance(sql)
  await instance.store(instance.seal(entries.map((one) => ({ tenant: 'acme', startedAt: NOON, ...one }))))
}

async function identifiedRows(): Promise<readonly unknown[]> {
  return await sql`
    SELECT route, ecosystem, package, version, artifact_kind FROM access_log WHERE identified_at IS NOT NULL ORDER BY seq`
}

t.test('older entries are identified by the routes of the configuration, once', async (t) => {
  await storeOlder([
    { path: '/npm/left-pad/-/left-pad-1.3.0.tgz' },
    { path: '/npm/-/ping' },
    { path: '/moved/left-pad', route: 'moved' },
    { path: '/gone/left-pad', route: 'gone' },
  ])
  const { code, stdout, stderr } = await waybill.run('identify', ...WINDOW)
  t.equal(code, 0, stderr)
  t.equal(
    stdout,
    `2 entries identified, 1 of them are about a package
1 entries skipped: the configuration has no route gone of the kind that they had
1 entries skipped: the configuration has no route moved of the kind that they had
`,
  )
  t.match(await identifiedRows(), [
    { route: 'npm', ecosystem: 'npm', package: 'left-pad', version: '1.3.0', artifact_kind: 'artifact' },
    { route: 'npm', ecosystem: 'npm', package: null, version: null, artifact_kind: 'other' },
  ])
  const again = await waybill.run('identify', ...WINDOW, '--json')
  t.equal(again.code, 0)
  t.same(JSON.parse(again.stdout), {
    identified: 0,
    packages: 0,
    skipped: 2,
    skippedByRoute: { moved: 1, gone: 1 },
    upTo: '2026-11-22T00:00:00.000Z',
  })
})

t.test('a signal ends it within a pause, however long, and what is left is done by the next', async (t) => {
  await storeOlder(['/npm/a/-/a-1.0.0.tgz', '/npm/b/-/b-1.0.0.tgz'].map((path) => ({ path })))
  const child = waybill.start(['identify', ...WINDOW, '--batch', '1', '--pause', '1h'])
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('the child has no pipes')
  const output = Promise.all([text(stdout), text(stderr), once(child, 'close')])
  const isBegun = async (): Promise<boolean> => (await identifiedRows()).length === 1
  t.ok(await until(isBegun, { everyMs: 50, ms: 60_000 }))
  child.kill('SIGTERM')
  const [out, err] = await output
  t.equal(child.exitCode, 1)
  t.equal(out, '1 entries identified, 1 of them are about a package\n')
  t.match(err, /\ninterrupted: the same command goes on where this one ended\n$/)
  t.equal((await waybill.run('identify', ...WINDOW)).code, 0)
  t.match(await identifiedRows(), [{ package: 'a' }, { package: 'b' }])
})

t.test('what it is not told, or contradicts itself, is refused before the database is asked', async (t) => {
  const none = await waybill.run('identify', '--kind', 'npm', '--batch', '0')
  t.equal(none.code, 2)
  for (const problem of [/--since: say from when/, /--kind needs --stdin/, /--batch: "0" is not a whole/])
    t.match(none.stderr, problem)
  const unknown = await waybill.run('identify', ...WINDOW, '--route', 'nmp')
  t.equal(unknown.code, 1)
  t.match(unknown.stderr, /the configuration has no route nmp/)
})
