import t from 'tap'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'

const ROUTE = { name: 'files', kind: 'generic', path: '/files/', upstream: 'http://127.0.0.1:1/' }

async function warningsOf(adminUrl: string): Promise<string[]> {
  const { status, body } = await request(`${adminUrl}/readyz`, {})
  t.equal(status, 200)
  const { warnings = [] } = JSON.parse(String(body)) as { warnings?: { code: string }[] }
  return warnings.map(({ code }) => code)
}

for (const workers of [1, 2]) {
  t.test(`G11: serve without DATABASE_URL says so, once, with ${workers} processes`, async (t) => {
    const gateway = await startGateway(t, { config: { workers, routes: [ROUTE] } })
    const lines = gateway.log.filter(({ msg }) => String(msg).startsWith('DATABASE_URL is not set'))
    t.equal(lines.length, 1)
    t.match(lines[0], { level: 'warn' })
    t.same(await warningsOf(gateway.adminUrl), ['embedded_database'])
    // As a person does it: no database is named, the folder decides.
    const { stdout } = await gateway.cli('keys', 'mint', '--tenant', 'acme')
    t.match(stdout, /^wb_/)
    t.equal(await gateway.stop(), 0)
  })
}

t.test('G11: the embedded database is nothing to warn of when it is meant', async (t) => {
  const config = { workers: 1, routes: [ROUTE], database: { url: 'embedded' } }
  const gateway = await startGateway(t, { config })
  t.same(await warningsOf(gateway.adminUrl), [])
  const { stdout } = await gateway.cli('keys', 'mint', '--tenant', 'acme', '--config', gateway.configFile)
  t.match(stdout, /^wb_/, 'commands find it as well')
  t.equal(await gateway.stop(), 0)
})

t.test('G11: a database of its own, in which all is in force, is nothing to warn of', async (t) => {
  const db = await testDatabase(t)
  const gateway = await startGateway(t, { databaseUrl: db.url, config: { workers: 1, routes: [ROUTE] } })
  t.same(await warningsOf(gateway.adminUrl), [])
  t.equal(await gateway.stop(), 0)
})
