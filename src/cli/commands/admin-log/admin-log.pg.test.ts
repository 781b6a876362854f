import { hostname, userInfo } from 'node:os'
import t from 'tap'
import { testDatabase } from '../../../test/database.ts'
import { testWaybill } from '../../../test/waybill.ts'

// Each command is a process of its own.
t.setTimeout(240_000)
const db = await testDatabase(t)
const waybill = await testWaybill(t, db.url)
const account = userInfo().username

await waybill.run('tenants', 'create', 'acme', '--rate', '50:100')
await waybill.run('tenants', 'set', 'acme', '--rate', '20:40', '--concurrency', '4')
await waybill.run('tenants', 'create', 'globex')
const minted = await waybill.run('keys', 'mint', '--tenant', 'acme', '--name', '=ci\u202e', '--json')
const key = JSON.parse(minted.stdout) as { key: string; id: string }
await waybill.run('keys', 'revoke', key.id)
await waybill.run('retention', 'set', '60')
await db.sql`UPDATE tenants SET max_concurrency = 5 WHERE slug = 'globex'`

t.test('who changed the limit is a line, with the account and the host', async (t) => {
  const { code, stdout, stderr } = await waybill.run('admin-log', '--since', '1d', '--subject', 'tenant:acme')
  t.equal(code, 0)
  t.match(stderr, /^database: /)
  const lines = stdout.trimEnd().split('\n')
  t.match(lines[0], /^ *SEQ +AT +WHO +VIA +FROM +WHAT$/)
  t.match(lines[1], /tenant acme created: .*rate 50:100/)
  t.match(lines[2], / tenant acme: concurrency none → 4, rate 50:100 → 20:40$/)
  t.match(lines[2], ` ${account} `)
  t.match(lines[2], ` cli  ${hostname()} `)
  t.equal(lines.length, 3)
})

t.test('every change by command and by hand is in it, for programs too, and no secret is', async (t) => {
  const { stdout } = await waybill.run('admin-log', '--json')
  const entries = JSON.parse(stdout) as { action: string; actor: string; via: string; seq: number }[]
  t.same(
    entries.map(({ action, via }) => `${action} ${via}`),
    [
      'tenant.created cli',
      'tenant.changed cli',
      'tenant.created cli',
      'key.created cli',
      'key.revoked cli',
      'retention.created cli',
      'tenant.changed sql',
    ],
  )
  t.same(
    entries.map(({ seq }) => seq),
    [1, 2, 3, 4, 5, 6, 7],
  )
  t.notMatch(stdout, key.key)
  const ofTenant = await waybill.run('admin-log', '--tenant', 'acme', '--format', 'ndjson')
  t.equal(ofTenant.stdout.trimEnd().split('\n').length, 4, 'the keys of a tenant belong to it')
  const byHand = await waybill.run('admin-log', '--actor', db.target.user, '--limit', '1')
  t.match(byHand.stdout, /sql .*tenant globex: concurrency none → 5$/m)
  const csv = await waybill.run('admin-log', '--subject', 'key', '--format', 'csv')
  t.match(csv.stdout, /^seq,at,actor,via,from,role,action,subject,name,tenant,before,after\n4,/)
  t.match(csv.stdout, /,'=ci\\u202e,acme,,"\{""/, 'names are no formulas, and move no text')
})

t.test('what cannot be asked is said, all at once', async (t) => {
  const { code, stderr } = await waybill.run(
    'admin-log',
    '--verify',
    '--since',
    '1h',
    '--format',
    'csv',
    '--anchor',
    'x',
  )
  t.equal(code, 2)
  t.match(stderr, /--since contradicts --verify/)
  t.match(stderr, /--format csv contradicts --verify/)
  t.match(stderr, /--anchor: must be <number>:<digest>/)
  const listing = await waybill.run('admin-log', '--subject', 'Acme!', '--limit', '0', '--anchor', 'x')
  t.match(listing, { code: 2, stderr: /--subject: must be a kind[^]*|--limit/ })
  t.match(listing.stderr, /--anchor needs --verify/)
  t.match(await waybill.run('admin-log', '--tenant', 'acmee'), {
    code: 1,
    stderr: /there is no tenant acmee.*acme/,
  })
})

t.test('the chain is complete, goes on from an anchor, and exit 1 names what was altered', async (t) => {
  const whole = await waybill.run('admin-log', '--verify')
  t.match(whole, {
    code: 0,
    stdout: /^complete: 7 entries, each as it was written\nanchor 7:[0-9a-f]{64}\n$/,
  })
  const anchor = /anchor (.*)\n/.exec(whole.stdout)?.[1] ?? ''
  await waybill.run('tenants', 'suspend', 'globex')
  t.match(await waybill.run('admin-log', '--verify', '--anchor', anchor), {
    code: 0,
    stdout: /^complete: 8 /,
  })
  await db.sql`ALTER TABLE admin_log DISABLE TRIGGER admin_log_keep`
  await db.sql`UPDATE admin_log SET record = replace(record, ${account}, 'mallory') WHERE seq = 2`
  t.match(await waybill.run('admin-log', '--verify'), {
    code: 1,
    stdout: /^BROKEN at entry 2: its digest does not follow .*; 1 entry before it/,
  })
  const { code, stdout } = await waybill.run('admin-log', '--verify', '--json')
  t.equal(code, 1)
  t.match(JSON.parse(stdout), { entries: 1, head: { seq: 8 }, broken: { seq: 2 } })
})
