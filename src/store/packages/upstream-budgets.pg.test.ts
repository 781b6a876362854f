import t from 'tap'
import { testDatabase } from '../../test/database.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { closeSql, openReader } from '../sql.ts'
import { type BudgetFilter, upstreamBudgets } from './upstream-budgets.ts'

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 30_000 })
t.teardown(() => closeSql(reader, 1000))
const start = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000)
await ensurePartitions(sql, start, 1)

let seq = 0
async function insert(
  tenant: string | null,
  route: string,
  row: { status?: number; limit?: string; sent?: boolean } = {},
) {
  const { status = 200, limit = null, sent = true } = row
  await sql`
    INSERT INTO access_log (id, started_at, tenant, route, status, outcome, upstream, bytes_received, bytes_sent, duration_us, upstream_limit, instance, seq)
    VALUES (gen_random_uuid(), ${new Date(start.getTime() + ++seq * 1000)}, ${tenant}, ${route}, ${status}, ${sent ? 'forwarded' : 'rate_limited'},
      ${sent ? 'repo.example.com:443' : null}, 0, 0, 0, ${limit}, '00000000-0000-4000-8000-000000000001', ${seq})`
}

for (let i = 0; i < 3; i++) await insert('acme', 'hub', { limit: `limit=100;remaining=${9 - i}` })
await insert('globex', 'hub', { limit: 'limit=100;remaining=5' })
await insert('globex', 'hub', { status: 429, limit: 'retry=7' })
await insert('globex', 'hub', { status: 429, sent: false })
await insert(null, 'hub', {})
await insert('acme', 'files', {})
await insert('acme', 'silent', { status: 429 })

async function ask(filter: Partial<BudgetFilter> = {}): Promise<string[]> {
  const rows = await upstreamBudgets(reader, { since: start, ...filter })
  return rows.map(
    ({ route, tenant, requests, share, refused, limit }) =>
      `${route} ${tenant ?? '-'} ${requests} ${(share * 100).toFixed(0)}% ${refused} ${limit ?? '-'}`,
  )
}

t.test(
  'a budget is what was sent upstream, by tenant, of routes whose upstreams spoke of a limit',
  async (t) => {
    t.same(await ask(), [
      'hub acme 3 50% 0 retry=7',
      'hub globex 2 33% 1 retry=7',
      'hub - 1 17% 0 retry=7',
      'silent acme 1 100% 1 -',
    ])
    t.same(await ask({ route: 'files' }), ['files acme 1 100% 0 -'], 'or of the route that is named')
    t.same(await ask({ tenant: 'acme', route: 'hub' }), ['hub acme 3 100% 0 limit=100;remaining=7'])
    t.same(await ask({ until: new Date(start.getTime() + 3500) }), [
      'hub acme 3 100% 0 limit=100;remaining=7',
    ])
    const [first] = await upstreamBudgets(reader, { since: start })
    t.same(first?.limitAt, new Date(start.getTime() + 5000))
  },
)
