import t from 'tap'
import { testDatabase } from '../../test/database.ts'
import { testWaybill } from '../../test/waybill.ts'

t.setTimeout(120_000)
const db = await testDatabase(t)
const waybill = await testWaybill(t, db.url)

async function show(slug: string): Promise<Record<string, unknown>> {
  const { stdout } = await waybill.run('tenants', 'show', slug, '--json')
  return JSON.parse(stdout) as Record<string, unknown>
}

t.test('create, set and show agree; set changes only what was given', async (t) => {
  const created = await waybill.run('tenants', 'create', 'acme', '--rate', '50:100', '--route-rate', 'npm=5')
  t.match(created, { code: 0, stdout: /^TENANT .*\nacme +active +50:100 +none +spill +npm=5:5/ })
  t.match(await waybill.run('tenants', 'set', 'acme', '--concurrency', '4', '--route-rate', 'pip=1:2'), {
    code: 0,
  })
  t.match(await show('acme'), {
    state: 'active',
    rateLimit: { perSecond: 50, burst: 100 },
    routeRateLimits: { npm: { perSecond: 5, burst: 5 }, pip: { perSecond: 1, burst: 2 } },
    maxConcurrency: 4,
    version: 2,
  })
  await waybill.run(
    'tenants',
    'set',
    'acme',
    '--rate',
    'none',
    '--route-rate',
    'npm=none',
    '--concurrency',
    'none',
  )
  t.match(await show('acme'), { rateLimit: null, maxConcurrency: null, version: 3 })
  t.same((await show('acme'))['routeRateLimits'], { pip: { perSecond: 1, burst: 2 } })
})

t.test(
  'the log policy is set, kept and shown; one that does not exist is refused with those that do',
  async (t) => {
    const created = await waybill.run('tenants', 'create', 'audited', '--log-policy', 'strict')
    t.match(created, { code: 0, stdout: /^TENANT .* LOG POLICY .*\naudited +active +none +none +strict/ })
    await waybill.run('tenants', 'set', 'audited', '--concurrency', '4')
    t.match(await show('audited'), { logPolicy: 'strict', maxConcurrency: 4 })
    t.match(await waybill.run('tenants', 'set', 'audited', '--log-policy', 'best_effort'), { code: 0 })
    const { stdout } = await waybill.run('tenants', 'list', '--json')
    t.match(
      (JSON.parse(stdout) as { slug: string; logPolicy: string }[]).find(({ slug }) => slug === 'audited'),
      { logPolicy: 'best_effort' },
    )
    for (const command of ['create', 'set']) {
      t.match(await waybill.run('tenants', command, 'audited', '--log-policy', 'lax', '--rate', 'x'), {
        code: 2,
        stdout: '',
        stderr: /--log-policy: "lax" is not one of best_effort, spill, strict/,
      })
    }
  },
)

t.test('a stale update, a second creation and an unknown tenant are refused with 1', async (t) => {
  await waybill.run('tenants', 'create', 'beta')
  t.match(await waybill.run('tenants', 'set', 'beta', '--rate', '5', '--if-version', '7'), {
    code: 1,
    stdout: '',
  })
  t.match(await waybill.run('tenants', 'create', 'beta'), { code: 1, stderr: /^error: [^\n]*beta[^\n]*\n$/ })
  for (const args of [['show'], ['set', '--rate', '5'], ['suspend'], ['delete', '--yes']]) {
    const [command = '', ...rest] = args
    t.match(await waybill.run('tenants', command, 'nobody', ...rest), {
      code: 1,
      stderr: /^error: [^\n]*nobody[^\n]*\n$/,
    })
  }
})

t.test('suspend and resume alternate, and repeating one is no failure', async (t) => {
  await waybill.run('tenants', 'create', 'gamma')
  t.match(await waybill.run('tenants', 'suspend', 'gamma'), { code: 0, stderr: 'is now suspended' })
  t.match(await waybill.run('tenants', 'suspend', 'gamma'), { code: 0, stderr: 'was already suspended' })
  t.match(await waybill.run('keys', 'mint', '--tenant', 'gamma'), { code: 0, stderr: 'suspended' })
  t.match(await waybill.run('tenants', 'resume', 'gamma'), { code: 0, stderr: 'is now active' })
})

t.test('delete is final and revokes the keys', async (t) => {
  await waybill.run('keys', 'mint', '--tenant', 'delta')
  t.match(await waybill.run('tenants', 'delete', 'delta'), { code: 2, stderr: '--yes' })
  t.match(await waybill.run('tenants', 'delete', 'delta', '--yes'), { code: 0, stderr: 'is now deleted' })
  t.match(await db.sql`SELECT revoked_at FROM api_keys WHERE tenant = 'delta'`, [{ revoked_at: Date }])
  t.match(await waybill.run('tenants', 'resume', 'delta'), { code: 1 })
  t.match(await waybill.run('keys', 'mint', '--tenant', 'delta'), { code: 1, stdout: '' })
  const slugs = async (...args: readonly string[]) => {
    const { stdout } = await waybill.run('tenants', 'list', '--json', ...args)
    return (JSON.parse(stdout) as { slug: string }[]).map((tenant) => tenant.slug)
  }
  t.notOk((await slugs()).includes('delta'))
  t.ok((await slugs('--all')).includes('delta'))
})

t.test('list goes over any number of tenants', async (t) => {
  await db.sql`INSERT INTO tenants (slug) SELECT 'many-' || lpad(n::text, 4, '0') FROM generate_series(1, 1200) n`
  const { stdout } = await waybill.run('tenants', 'list', '--format', 'ndjson')
  t.equal(stdout.split('\n').filter((line) => line.includes('"many-')).length, 1200)
})
