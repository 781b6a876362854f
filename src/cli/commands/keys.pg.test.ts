import t from 'tap'
import { digestKey, isWellFormedKey, keyIdOf } from '../../model/api-key.ts'
import { machineName } from '../../lib/host/machine.ts'
import { confirmFollower } from '../../store/directory/followers.ts'
import { readOrigin } from '../../store/directory/origin.ts'
import { testDatabase } from '../../test/database.ts'
import { testWaybill } from '../../test/waybill.ts'

t.setTimeout(120_000)
const db = await testDatabase(t)
const waybill = await testWaybill(t, db.url)

/** Every value of every table, as text: what a dump of the database holds. */
async function dump(): Promise<string> {
  const tables = await db.sql<{ name: string }[]>`
    SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`
  const texts = await Promise.all(
    tables.map(async ({ name }) => {
      const rows = await db.sql.unsafe<{ row: string }[]>(`SELECT x::text AS row FROM ${name} x`)
      return rows.map((r) => r.row).join('\n')
    }),
  )
  return texts.join('\n')
}

async function mint(...args: readonly string[]): Promise<string> {
  const { code, stdout } = await waybill.run('keys', 'mint', '--tenant', 'acme', ...args)
  t.equal(code, 0)
  return stdout.trim()
}

t.test('mint prints the key alone on stdout, creates the tenant and says so on stderr', async (t) => {
  const { code, stdout, stderr } = await waybill.run(
    'keys',
    'mint',
    '--tenant',
    'fresh',
    '--scope',
    'npm:read',
  )
  t.equal(code, 0)
  t.match(stdout, /^wb_[0-9a-z]{12}_[0-9A-Za-z]{38}\n$/)
  t.ok(isWellFormedKey(stdout.trim()))
  t.match(stderr, 'tenant fresh created')
  t.notMatch(stderr, stdout.trim())
  const again = await waybill.run('keys', 'mint', '--tenant', 'fresh')
  t.notMatch(again.stderr, 'created')
  t.match(again.stderr, '*:read', 'the default scope is named')
})

t.test('the database holds the digest of a key and nothing else of it', async (t) => {
  const key = await mint('--name', 'ci', '--expires', '90d', '--allow-ip', '10.0.0.0/8', '--rate', '5:10')
  const text = await dump()
  t.match(text, digestKey(key))
  t.match(text, keyIdOf(key))
  t.notMatch(text, key)
  t.notMatch(text, key.slice('wb_'.length + 13), 'nor its secret')
})

t.test('mint --json prints one object', async (t) => {
  const { stdout } = await waybill.run(
    'keys',
    'mint',
    '--tenant',
    'acme',
    '--json',
    '--rate',
    '5:10',
    '--scope',
    'npm:*',
  )
  const minted = JSON.parse(stdout) as { key: string; id: string }
  t.equal(keyIdOf(minted.key), minted.id)
  t.match(minted, {
    tenant: 'acme',
    scopes: ['npm:*'],
    rateLimit: { perSecond: 5, burst: 10 },
    state: 'active',
  })
})

t.test('--no-create-tenant refuses a tenant that is not there, and names the command', async (t) => {
  const { code, stdout, stderr } = await waybill.run(
    'keys',
    'mint',
    '--tenant',
    'nobody',
    '--no-create-tenant',
  )
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, 'waybill tenants create nobody')
  t.same(await db.sql`SELECT FROM tenants WHERE slug = 'nobody'`, [])
})

t.test('rotate prints the new key alone; the old one ends after the overlap', async (t) => {
  const old = keyIdOf(await mint('--scope', 'npm:read'))
  const { code, stdout, stderr } = await waybill.run('keys', 'rotate', old, '--overlap', '1h')
  t.equal(code, 0)
  t.ok(isWellFormedKey(stdout.trim()))
  t.match(stderr, old)
  const show = async (id: string) =>
    JSON.parse((await waybill.run('keys', 'show', id, '--json')).stdout) as Record<string, unknown>
  const id = keyIdOf(stdout.trim())
  t.match(await show(old), { rotatedTo: id, state: 'active', expiresAt: /^\d{4}-/ })
  t.match(await show(id), { scopes: ['npm:read'], state: 'active' })
})

t.test('revoke is final, and a repeated one changes nothing and is no failure', async (t) => {
  const key = await mint()
  const id = keyIdOf(key)
  const first = await waybill.run('keys', 'revoke', id)
  t.match(first, { code: 0, stdout: '', stderr: 'is now revoked' })
  const [row] = await db.sql`SELECT revoked_at, version FROM api_keys WHERE id = ${id}`
  t.match(await waybill.run('keys', 'revoke', id), { code: 0, stderr: 'was already revoked' })
  t.same((await db.sql`SELECT revoked_at, version FROM api_keys WHERE id = ${id}`)[0], row)
  t.match(await waybill.run('keys', 'rotate', id), { code: 1, stdout: '' })
  t.match(await waybill.run('keys', 'set', id, '--rate', '5'), { code: 1, stdout: '' })
})

t.test('a whole key is taken for its id, with a warning that does not repeat it', async (t) => {
  const key = await mint()
  const { code, stderr } = await waybill.run('keys', 'revoke', key)
  t.equal(code, 0)
  t.match(stderr, 'warning')
  t.notMatch(stderr, key)
})

t.test('G12: revoke --wait hears from those that follow, and names those that are silent', async (t) => {
  const id = keyIdOf(await mint())
  t.match(await waybill.run('keys', 'revoke', id, '--wait'), { code: 0, stderr: 'no gateway follows' })
  const follower = { host: 'far', processId: 1, machine: '', maxAgeMs: 3_600_000 }
  const silent = { ...follower, instance: '00000000-0000-4000-8000-000000000001' }
  const prompt = { ...follower, instance: '00000000-0000-4000-8000-000000000002' }
  await confirmFollower(db.sql, silent, null)
  const [row] = await db.sql`SELECT pg_current_snapshot()::text AS seen`
  const position = { cursor: '1', origin: await readOrigin(db.sql), seen: String(row?.['seen']) }
  await confirmFollower(db.sql, prompt, position)
  const { code, stderr } = await waybill.run('keys', 'revoke', id, '--wait', '--wait-for', '100ms')
  t.equal(code, 1)
  t.match(stderr, `not confirmed: ${silent.instance} on far`)
  t.notMatch(stderr, prompt.instance)
  await confirmFollower(db.sql, silent, { ...position, origin: 'another life of the database' })
  t.equal((await waybill.run('keys', 'revoke', id, '--wait', '--wait-for', '100ms')).code, 1)
  await confirmFollower(db.sql, silent, position)
  t.match(await waybill.run('keys', 'revoke', id, '--wait'), { code: 0, stderr: 'follows this database: 2' })
  // A process of this machine that is known to have ended is waited for no more.
  const dead = { ...silent, instance: '00000000-0000-4000-8000-000000000003', machine: machineName() }
  await confirmFollower(db.sql, { ...dead, processId: 2 ** 22 + 1 }, null)
  t.equal((await waybill.run('keys', 'revoke', id, '--wait')).code, machineName() === '' ? 1 : 0)
  await db.sql`DELETE FROM directory_followers`
})

t.test('set changes only what was given, and refuses a stale version', async (t) => {
  const id = keyIdOf(await mint('--rate', '5'))
  const { code, stdout } = await waybill.run(
    'keys',
    'set',
    id,
    '--name',
    'ci',
    '--expires',
    '90d',
    '--if-version',
    '1',
    '--json',
  )
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { name: 'ci', rateLimit: { perSecond: 5, burst: 5 }, version: 2 })
  t.match(await waybill.run('keys', 'set', id, '--rate', 'none', '--if-version', '1'), { code: 1 })
  t.match(await waybill.run('keys', 'set', id), { code: 2, stderr: 'nothing to set' })
})

t.test('an unknown key is a "no", not a crash', async (t) => {
  for (const command of ['show', 'rotate', 'revoke']) {
    const { code, stdout, stderr } = await waybill.run('keys', command, 'aaaaaaaaaaaa')
    t.equal(code, 1, command)
    t.equal(stdout, '')
    t.match(stderr, /^error: [^\n]*aaaaaaaaaaaa[^\n]*\n$/)
  }
})

t.test('list shows the active keys, with --all the others too, in every format', async (t) => {
  const revoked = keyIdOf(await mint('--name', 'gone'))
  await waybill.run('keys', 'revoke', revoked)
  const ids = async (...args: readonly string[]) => {
    const { stdout } = await waybill.run('keys', 'list', '--tenant', 'acme', '--json', ...args)
    return (JSON.parse(stdout) as { id: string }[]).map((key) => key.id)
  }
  t.notOk((await ids()).includes(revoked))
  t.ok((await ids('--all')).includes(revoked))
  t.match(await waybill.run('keys', 'list', '--format', 'csv'), {
    code: 0,
    stdout: /^id,tenant,name,state,scopes,/,
  })
  t.match(await waybill.run('keys', 'list'), { code: 0, stdout: /^ID +TENANT +NAME/ })
})
