import t from 'tap'
import { isWellFormedAdminToken } from '../../../model/admin/admin-token.ts'
import { digestKey } from '../../../model/api-key.ts'
import { createTenant } from '../../../store/directory/tenants.ts'
import { testDatabase } from '../../../test/database.ts'
import { testWaybill } from '../../../test/waybill.ts'

// Each command is a process of its own.
t.setTimeout(240_000)
const { sql, url } = await testDatabase(t)
const waybill = await testWaybill(t, url)
await createTenant(sql, 'acme', {})

t.test('a token is shown once, listed and revoked', async (t) => {
  const created = await waybill.run('tokens', 'create', '--name', 'ann', '--role', 'admin')
  t.equal(created.code, 0, created.stderr)
  const text = created.stdout.trim()
  t.ok(isWellFormedAdminToken(text))
  const [row] = await sql<{ id: string; digest: string }[]>`SELECT id, digest FROM admin_tokens`
  t.equal(row?.digest, digestKey(text))
  const listed = await waybill.run('tokens', 'list', '--json')
  t.match(JSON.parse(listed.stdout), [{ id: row?.id, name: 'ann', role: 'admin', state: 'active' }])
  t.notMatch(listed.stdout + listed.stderr, text.slice(17))
  t.match(await waybill.run('tokens', 'revoke', row?.id ?? ''), { code: 0, stderr: /is now revoked/ })
  t.match(await waybill.run('tokens', 'revoke', row?.id ?? ''), { code: 0, stderr: /was already revoked/ })
  t.match(await waybill.run('tokens', 'revoke', 'nobody'), {
    code: 1,
    stderr: /there is no admin token nobody/,
  })
})

t.test('what contradicts itself is refused, all of it at once', async (t) => {
  const { code, stderr } = await waybill.run(
    'tokens',
    'create',
    '--role',
    'king',
    '--tenant',
    'acme',
    '--expires',
    'soon',
  )
  t.equal(code, 2)
  for (const problem of [/--name is required/, /--role/, /--tenant needs --role tenant/, /--expires/])
    t.match(stderr, problem)
  t.match(await waybill.run('tokens', 'create', '--name', 'x', '--role', 'tenant'), {
    code: 2,
    stderr: /--tenant is required/,
  })
  t.equal(
    (await waybill.run('tokens', 'create', '--name', 'x', '--role', 'tenant', '--tenant', 'acme')).code,
    0,
  )
})
