import t from 'tap'
import { waitForEntries } from './harness/accounting.ts'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { startUpstream } from './harness/upstream.ts'

interface Usage {
  readonly tenant: string | null
  readonly requests: number
  readonly errors_4xx: number
  readonly bytes_sent: number
  readonly refused_auth: number
  readonly refused_limit: number
  readonly refused_other: number
  readonly refused_bytes_sent: number
}

t.test("E5: refusals run up nobody's bill: they have columns of their own", async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
      accessLog: { flushIntervalMs: 100 },
      // All of them are the tenant's entries.
      auth: { failuresPerMinute: 0 },
    },
  })
  await gateway.must('tenants', 'create', 'acme', '--rate', '1:1')
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const revoked = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  await gateway.must('keys', 'revoke', revoked.slice(3, 15), '--wait')
  const url = `${gateway.proxyUrl}/files/ok`
  const statuses = new Map<number, number>()
  const ask = async (text: string): Promise<number> => {
    const { status } = await request(url, { key: text })
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    return status
  }
  for (let i = 0; i < 200; i++) await ask(revoked)
  const served = await ask(key)
  t.equal(served, 200)
  await Promise.all(Array.from({ length: 20 }, () => ask(key)))
  const passed = statuses.get(200) ?? 0
  const limited = statuses.get(429) ?? 0
  t.same([statuses.get(401), passed + limited], [200, 21])
  await waitForEntries(db, 221)

  const usage = async (): Promise<Usage[]> =>
    JSON.parse(await gateway.must('usage', '--since', '2d', '--json')) as Usage[]
  const check = (rows: readonly Usage[], from: string): void => {
    const sum = (name: Exclude<keyof Usage, 'tenant'>): number =>
      rows.filter(({ tenant }) => tenant === 'acme').reduce((n, row) => n + row[name], 0)
    t.same([sum('requests'), sum('errors_4xx')], [passed, 0], `what was served: ${from}`)
    t.same([sum('refused_auth'), sum('refused_limit'), sum('refused_other')], [200, limited, 0], from)
    t.ok(sum('refused_bytes_sent') > 200 * 50)
    t.equal(sum('bytes_sent') % passed, 0, 'bytes are those of the files')
  }
  check(await usage(), 'from the command line')
  const response = await fetch(`${gateway.adminUrl}/api/usage?since=2d`, { headers: { connection: 'close' } })
  check(((await response.json()) as { usage: Usage[] }).usage, 'from the API')
  const [head = '', ...lines] = (await gateway.must('usage', '--since', '2d', '--format', 'csv')).split(
    /\r?\n/,
  )
  t.ok(
    head.startsWith(
      'day,tenant,route,requests,errors_4xx,errors_5xx,bytes_received,bytes_sent,refused_auth,',
    ),
    'names of before stay, in their places',
  )
  t.ok(lines.length > 0)
})
