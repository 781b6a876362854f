import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startEmbeddedPostgres } from '../embedded/postgres.ts'
import type { DatabaseTarget } from '../model/database-target.ts'
import { closeSql, openControl, type Sql } from '../store/sql.ts'
import { runCli } from './program.ts'
import { testIo } from '../test/cli-io.ts'

t.setTimeout(120_000)

const COMMANDS = [
  ['audit'],
  ['logs'],
  ['logs', '--follow'],
  ['usage'],
  ['tenants', 'list'],
  ['tenants', 'show', 'acme'],
  ['tenants', 'create', 'acme'],
  ['tenants', 'set', 'acme', '--rate', '5'],
  ['keys', 'list'],
  ['keys', 'mint', '--tenant', 'acme'],
  ['keys', 'revoke', 'aaaaaaaaaaaa'],
  ['quarantine', 'list'],
  ['quarantine', 'show', '1'],
  ['retention', 'show'],
]

async function emptyFolder(t: Test): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), 'waybill-folder-'))
  t.teardown(() => rm(cwd, { recursive: true, force: true, maxRetries: 5 }))
  // Root's database user has to pass through.
  await chmod(cwd, 0o711)
  return cwd
}

async function run(cwd: string, ...argv: readonly string[]) {
  const io = testIo(argv, { cwd })
  const code = await runCli(io, () => Promise.reject(new Error('serve was called')))
  return { code, ...io.written }
}

async function withEmbedded(cwd: string, use: (sql: Sql) => Promise<void>): Promise<void> {
  const embedded = await startEmbeddedPostgres({ stateDir: join(cwd, '.waybill') })
  const target: DatabaseTarget = { ...embedded.connection, password: null, tls: 'disable' }
  const sql = openControl(target, { max: 1 })
  await use(sql)
  await closeSql(sql, 1000)
  await embedded.stop()
}

t.test('G5: a command in a folder without a database says so in a line and makes none', async (t) => {
  const cwd = await emptyFolder(t)
  for (const argv of COMMANDS) {
    const { code, stdout, stderr } = await run(cwd, ...argv)
    t.equal(code, 2, argv.join(' '))
    t.equal(stdout, '')
    t.match(stderr, /^error: there is no embedded database in [^\n]*DATABASE_URL is not set: [^\n]*\n$/)
    t.match(stderr, join(cwd, '.waybill'), 'the folder is named')
  }
  t.same(await readdir(cwd), [], 'nothing was made')
})

t.test('G5: migrate makes one; the others leave an older schema as it is, and say so', async (t) => {
  const cwd = await emptyFolder(t)
  t.match(await run(cwd, 'migrate'), { code: 0, stdout: /^applied 0001-/ })
  const current = await run(cwd, 'tenants', 'list')
  t.match(current, { code: 0, stderr: `database: the embedded one in ${join(cwd, '.waybill')}\n` })
  const newest = `SELECT name FROM schema_migrations ORDER BY name DESC LIMIT 1`
  await withEmbedded(cwd, async (sql) => {
    await sql.unsafe(`DELETE FROM schema_migrations WHERE name = (${newest})`)
  })
  for (const argv of [['tenants', 'list'], ['logs'], ['usage'], ['tenants', 'create', 'acme']]) {
    const { code, stderr } = await run(cwd, ...argv)
    t.equal(code, 0, argv.join(' '))
    t.match(stderr, /^note: the schema of [^\n]* is older than this program: "waybill migrate"/)
  }
  await withEmbedded(cwd, async (sql) => {
    await sql`DELETE FROM schema_migrations`
  })
  const { code, stderr } = await run(cwd, 'quarantine', 'list')
  t.equal(code, 0, 'what is there is read')
  t.notMatch(stderr, 'error')
  await withEmbedded(cwd, async (sql) => {
    t.same([...(await sql`SELECT FROM schema_migrations`)], [], 'no command has migrated')
  })
})
