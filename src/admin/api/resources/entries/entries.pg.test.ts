import t from 'tap'
import { createTenant } from '../../../../store/directory/tenants.ts'
import { testApi } from '../../../../test/api/api.ts'
import { TestRows } from '../../../../test/api/rows.ts'
import { testDatabase } from '../../../../test/database.ts'

const database = await testDatabase(t)
const api = await testApi(t, database)
await createTenant(database.sql, 'acme', {})
const rows = await TestRows.open(database.sql)
const token = await api.tokenFor('viewer')
const own = await api.tokenFor('tenant', 'acme')
const startMs = Date.now() - 600_000
const KEYS = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb']
const RULE = 'r0123456789abcdef'
const TRACE = '0af7651916cd43dd8448eb211c80319c'

// 30 entries, two each half second: paging must tell apart those of one moment.
const ids = await rows.store(
  Array.from({ length: 30 }, (_, n) => ({
    started_at: new Date(startMs + Math.floor(n / 2) * 500),
    tenant: n % 3 === 2 ? 'globex' : 'acme',
    key_id: KEYS[n % 2] ?? null,
    route: n % 5 === 0 ? 'files' : 'npm',
    status: [200, 404, 503, 429][n % 4] ?? 200,
    outcome: n % 4 === 3 ? 'rate_limited' : 'forwarded',
    reason: n % 4 === 3 ? 'key_rate' : null,
    method: n % 6 === 0 ? 'PUT' : 'GET',
    duration_us: n * 100_000,
    request_id: `r/${n}`,
    trace_id: n < 4 ? TRACE : null,
    path: `/p/${n}`,
    package: n === 7 ? 'left-pad' : null,
    version: n === 7 ? '1.3.0' : null,
    ecosystem: n === 7 ? 'npm' : null,
    artifact_kind: n === 7 ? 'artifact' : 'other',
    rule_id: n === 7 || n === 8 ? RULE : n === 9 ? 'r0000000000000000' : null,
    rule_action: n === 7 ? 'deny' : n === 8 ? 'would_deny' : n === 9 ? 'warn' : 'none',
  })),
)

type Page = { items: { id: string; tenant: string; seq: number }[]; next: string | null }

async function numbers(query: string, as = token): Promise<number[]> {
  const { items } = (await api.ask('GET', `/entries?${query}`, { token: as })).json() as unknown as Page
  return items.map(({ id }) => ids.indexOf(id)).toSorted((a, b) => a - b)
}

const where = (isSo: (n: number) => boolean): number[] => ids.map((_, n) => n).filter(isSo)

t.test('each filter, given once or repeated, finds what it says', async (t) => {
  const cases: [string, (n: number) => boolean][] = [
    ['', () => true],
    ['tenant=globex', (n) => n % 3 === 2],
    ['tenant=globex&tenant=acme', () => true],
    ['key=aaaaaaaaaaaa', (n) => n % 2 === 0],
    ['route=files', (n) => n % 5 === 0],
    ['route=files&route=npm', () => true],
    ['status=404', (n) => n % 4 === 1],
    ['status=404&status=5xx', (n) => n % 4 === 1 || n % 4 === 2],
    ['outcome=rate_limited', (n) => n % 4 === 3],
    ['outcome=rate_limited&outcome=forwarded', () => true],
    ['reason=key_rate&reason=route_rate', (n) => n % 4 === 3],
    ['method=PUT', (n) => n % 6 === 0],
    ['method=PUT&method=POST', (n) => n % 6 === 0],
    ['artifactKind=artifact', (n) => n === 7],
    ['package=Left_Pad', (n) => n === 7],
    ['path=/p/2', (n) => n === 2 || n >= 20],
    ['address=10.0.0.0/8', () => true],
    ['address=10.9.0.0/16', () => false],
    ['requestId=r/5', (n) => n === 5],
    [`traceId=${TRACE}`, (n) => n < 4],
    [`rule=${RULE}`, (n) => n === 7 || n === 8],
    ['rule=r00000000000000ff', () => false],
    ['slowerThan=2s', (n) => n > 20],
    ['since=1h&until=1ms', () => true],
    [
      `since=${new Date(startMs + 500).toISOString()}&until=${new Date(startMs + 1000).toISOString()}`,
      (n) => n === 2 || n === 3,
    ],
    ['tenant=acme&status=200&method=GET', (n) => n % 3 !== 2 && n % 4 === 0 && n % 6 !== 0],
  ]
  for (const [query, isSo] of cases) t.same(await numbers(query), where(isSo), query)
})

t.test('pages follow each other without gap or repetition, though entries come meanwhile', async (t) => {
  for (const scope of ['since=1h', 'tenant=acme&since=1h']) {
    const seen: string[] = []
    let next: string | null = ''
    while (next !== null) {
      const cursor: string = next === '' ? '' : `&cursor=${next}`
      const page = (
        await api.ask('GET', `/entries?${scope}&route=npm&limit=7${cursor}`, { token })
      ).json() as unknown as Page
      seen.push(...page.items.map(({ id }) => id))
      next = page.next
      await rows.store([{ started_at: new Date(), route: 'other' }])
    }
    const wanted = where((n) => n % 5 !== 0 && (scope === 'since=1h' || n % 3 !== 2)).map((n) => ids[n])
    t.same(seen.toSorted(), wanted.map(String).toSorted(), scope)
  }
})

t.test('a token of a tenant sees its own entries only', async (t) => {
  t.same(
    await numbers('route=npm', own),
    where((n) => n % 3 !== 2 && n % 5 !== 0),
  )
  t.same(
    await numbers('route=npm&tenant=acme&tenant=acme', own),
    where((n) => n % 3 !== 2 && n % 5 !== 0),
  )
  for (const query of ['tenant=globex', 'tenant=acme&tenant=globex']) {
    const reply = await api.ask('GET', `/entries?${query}`, { token: own })
    t.equal(reply.json()['code'], 'other_tenant', query)
  }
  t.equal((await api.ask('GET', '/entries/r%2F2', { token: own })).status, 404)
  t.equal((await api.ask('GET', '/entries/r%2F2', { token })).status, 200)
})

t.test('a request is found with its neighbours', async (t) => {
  const found = (await api.ask('GET', '/entries/r%2F1', { token })).json() as unknown as Record<
    string,
    Page['items']
  >
  const of = (name: string): number[] =>
    (found[name] ?? []).map(({ id }) => ids.indexOf(id)).toSorted((a, b) => a - b)
  t.same(of('items'), [1])
  t.same(of('sameTrace'), [0, 2, 3])
  t.same(
    of('sameClient'),
    where((n) => n % 2 === 1 && n % 3 !== 2 && n !== 1),
  )
  const missing = await api.ask('GET', '/entries/nothing', { token })
  t.equal(missing.json()['code'], 'entry_not_found')
})

t.test('what cannot be a filter is refused by name', async (t) => {
  const query =
    'status=600&status=404&method=&package=pkg:npm/x&since=yesterday&color=red&requestId=a&requestId=b'
  const reply = await api.ask('GET', `/entries?${query}`, { token })
  t.equal(reply.status, 400)
  const fields = (reply.json()['errors'] as { field: string }[]).map(({ field }) => field)
  t.same(fields.toSorted(), ['color', 'method.0', 'package', 'requestId', 'since', 'status.0'])
  for (const bad of ['cursor=abc', 'since=1h&until=2h', 'limit=1001'])
    t.equal((await api.ask('GET', `/entries?${bad}`, { token })).status, 400, bad)
})

t.test('an entry has each column, as text that JSON can hold', async (t) => {
  const { items } = (await api.ask('GET', '/entries?requestId=r/7', { token })).json() as { items: unknown[] }
  t.match(items, [
    {
      id: ids[7],
      started_at: new Date(startMs + 1500).toISOString(),
      purl: 'pkg:npm/left-pad@1.3.0',
      artifactKind: 'artifact',
      status: 429,
      bytes_sent: 2,
      upstream: null,
    },
  ])
})
