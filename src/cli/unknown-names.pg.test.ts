import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../config/config.ts'
import { closeSql, openControl } from '../store/sql.ts'
import { testDatabase } from '../test/database.ts'
import { createTenant, setTenantState } from '../store/directory/tenants.ts'
import { requireTenant, routeProblem } from './known-names.ts'
import { storeNames } from './plane/store-plane.ts'
import { testWaybill } from '../test/waybill.ts'

t.setTimeout(120_000)
const db = await testDatabase(t)
const waybill = await testWaybill(t, db.url)
await createTenant(db.sql, 'acme', {})
await createTenant(db.sql, 'gone', {})
await setTenantState(db.sql, 'gone', 'deleted')
await db.sql`
  INSERT INTO figures_routes (minute, step, route, outcome, status_class, n, bytes_received, bytes_sent, duration_us, upstream_us,
    upstream_n, sketch)
  VALUES (29000000, 1, 'files', 'forwarded', 2, 1, 0, 0, 0, 0, 0, '{1}')`
const database = new URL(db.url).pathname.slice(1)

t.test('G5: a tenant that there has never been is an error with what was meant', async (t) => {
  for (const argv of [
    ['audit', '--tenant', 'acmee'],
    ['logs', '--tenant', 'acmee'],
    ['logs', '--tenant', 'acmee', '--json'],
    ['logs', '--tenant', 'acmee', '--follow'],
    ['usage', '--tenant', 'acmee'],
    ['keys', 'list', '--tenant', 'acmee'],
    ['quarantine', 'list', '--tenant', 'acmee'],
    ['quarantine', 'drop', '--all', '--yes', '--tenant', 'acmee'],
    ['tenants', 'show', 'acmee'],
    ['tenants', 'set', 'acmee', '--rate', '5'],
    ['tenants', 'suspend', 'acmee'],
  ]) {
    const { code, stdout, stderr } = await waybill.run(...argv)
    t.equal(code, 1, argv.join(' '))
    t.equal(stdout, '')
    t.match(stderr, /^error: there is no tenant acmee[^\n]*; did you mean "acme"\?\n$/)
  }
  const { stderr } = await waybill.run('usage', '--tenant', 'zebra')
  t.match(stderr, /^error: there is no tenant zebra[^?]*$/, 'nothing is near')
})

t.test('G5: a deleted tenant, and one that only the ledger has, are known', async (t) => {
  t.equal((await waybill.run('logs', '--tenant', 'gone')).code, 0)
  await db.sql`
    INSERT INTO access_ledger (instance, batch, entries, bytes, tenants)
    VALUES (gen_random_uuid(), 1, 1, 1, '{"moved": 1}')`
  t.equal((await waybill.run('usage', '--tenant', 'moved')).code, 0)
})

t.test('G5: a key that there has never been is an error', async (t) => {
  const { code, stdout, stderr } = await waybill.run('logs', '--key', 'aaaaaaaaaaaa')
  t.match({ code, stdout, stderr }, { code: 1, stdout: '', stderr: 'error: there is no key aaaaaaaaaaaa\n' })
})

t.test('G5: a route that neither file nor log has is an error with what was meant', async (t) => {
  const unknown = await waybill.run('logs', '--route', 'fiels')
  t.equal(unknown.code, 1)
  t.match(unknown.stderr, /^error: no route of the log is named fiels; did you mean "files"\?\n$/)
  t.equal((await waybill.run('logs', '--route', 'files')).code, 0, 'it had requests once')
  await writeFile(
    join(waybill.cwd, 'waybill.yaml'),
    // The secret is not there for this command, and not needed.
    'routes: [{ name: npm, kind: npm, path: /npm/, upstream: "http://h/", upstreamAuth: { bearer: "${env:NONE}" } }]',
  )
  t.equal((await waybill.run('logs', '--route', 'npm')).code, 0, 'it is in the file')
  const swapped = await waybill.run('logs', '--route', 'nmp', '--json')
  t.equal(swapped.code, 1)
  t.match(swapped.stderr, 'no route of the configuration and the log is named nmp; did you mean "npm"?')
})

t.test('G5: each report names its database, apart from the data', async (t) => {
  for (const argv of [['logs'], ['usage'], ['tenants', 'list'], ['keys', 'list'], ['quarantine', 'list']]) {
    const { code, stdout, stderr } = await waybill.run(...argv, '--json')
    t.equal(code, 0, argv.join(' '))
    t.ok(Array.isArray(JSON.parse(stdout)))
    t.match(stderr, `database: ${database} at `)
  }
})

t.test('G8: a scope of a route that is nowhere is refused when it looks mistyped', async (t) => {
  const mint = (...args: readonly string[]) => waybill.run('keys', 'mint', '--tenant', 'acme', ...args)
  const refused = await mint('--scope', 'npm:read', '--scope', 'nmp:read')
  t.equal(refused.code, 1)
  t.equal(refused.stdout, '')
  t.match(refused.stderr, /^error: scope nmp:read: [^\n]*; did you mean "npm"\? --force mints it [^\n]*\n$/)
  const forced = await mint('--scope', 'nmp:read', '--force')
  t.match(forced, { code: 0, stdout: /^wb_/, stderr: /warning: scope nmp:read: [^\n]*"npm"/ })
  const far = await mint('--scope', 'containers:read')
  t.match(far, {
    code: 0,
    stdout: /^wb_/,
    stderr: /warning: scope containers:read: no route [^\n]*containers\n/,
  })
  const right = await mint('--scope', 'npm:read', '--scope', 'files:*', '--scope', '*:read')
  t.equal(right.code, 0)
  t.notMatch(right.stderr, 'warning')
  const limited = await waybill.run('tenants', 'set', 'acme', '--route-rate', 'nmp=5')
  t.match(limited, { code: 0, stderr: /^warning: --route-rate: [^\n]*did you mean "npm"\?\n$/ })
})

t.test('G8: a mistyped tenant is not created by its first key, a sibling is', async (t) => {
  const mint = (tenant: string, ...args: readonly string[]) =>
    waybill.run('keys', 'mint', '--tenant', tenant, '--scope', 'npm:read', ...args)
  const slip = await mint('acmee')
  t.equal(slip.code, 1)
  t.equal(slip.stdout, '')
  t.match(slip.stderr, /^error: there is no tenant acmee; did you mean "acme"\? --create-tenant [^\n]*\n$/)
  t.same([...(await db.sql`SELECT FROM tenants WHERE slug = 'acmee'`)], [])
  t.match(await mint('acme-2'), { code: 0, stdout: /^wb_/, stderr: 'tenant acme-2 created' })
  t.match(await mint('acme-3'), { code: 0, stdout: /^wb_/, stderr: 'tenant acme-3 created' })
  t.match(await mint('acmee', '--no-create-tenant'), { code: 1, stderr: 'did you mean "acme"?' })
  t.match(await mint('acmee', '--create-tenant'), { code: 0, stderr: 'tenant acmee created' })
})

t.test('G8: a role that may only mint needs no right to read the log', async (t) => {
  const role = `waybill_mint_${randomBytes(6).toString('hex')}`
  await db.sql`CREATE ROLE ${db.sql(role)} LOGIN`
  await db.sql`GRANT SELECT ON tenants, api_keys TO ${db.sql(role)}`
  t.teardown(async () => {
    await db.sql`DROP OWNED BY ${db.sql(role)}`
    await db.sql`DROP ROLE ${db.sql(role)}`
  })
  const own = openControl(db.target, { max: 1 })
  t.teardown(() => closeSql(own, 1000))
  await own`SET SESSION AUTHORIZATION ${own(role)}`
  const config = loadConfig({ file: null, env: {}, flags: {} })
  t.match(await routeProblem(storeNames(own), config, 'nmp'), { known: [] })
  await t.rejects(requireTenant(storeNames(own), 'acmme'), { message: /did you mean "acme"/ })
})
