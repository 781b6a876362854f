import t from 'tap'
import { CANARY_OUTCOME, CANARY_TENANT } from '../../model/canary.ts'
import { TestRows } from '../../test/api/rows.ts'
import { testDatabase } from '../../test/database.ts'
import { listEntries } from '../entries/entries.ts'
import type { EntryFilter } from '../entries/entry-filter.ts'
import { matcherOf } from './entry-matcher.ts'

const { sql } = await testDatabase(t)
const rows = await TestRows.open(sql)
const startMs = Date.now() - 60_000
const PACKAGES = ['left-pad', '@babel/core', 'debian/curl', 'Foo_Bar.baz', 'github.com/a/b/v2', null]

await rows.store(
  Array.from({ length: 60 }, (_, n) => ({
    started_at: new Date(startMs + n * 100),
    tenant: n === 59 ? CANARY_TENANT : n % 7 === 0 ? null : n % 2 === 0 ? 'acme' : 'globex',
    outcome: n === 59 ? CANARY_OUTCOME : n % 3 === 0 ? 'rate_limited' : 'forwarded',
    reason: n % 3 === 0 ? 'key_rate' : null,
    route: n % 5 === 0 ? null : 'npm',
    key_id: n % 4 === 0 ? 'aaaaaaaaaaaa' : null,
    status: [200, 404, 429, 503][n % 4] ?? 200,
    method: n % 6 === 0 ? 'PUT' : 'GET',
    path: n % 8 === 0 ? null : `/100%/_${n}`,
    client_ip: n % 2 === 0 ? '10.1.2.3' : '2001:db8::7',
    request_id: `r${n}`,
    trace_id: n % 9 === 0 ? '0af7651916cd43dd8448eb211c80319c' : null,
    duration_us: n * 1000,
    package: PACKAGES[n % 6] ?? null,
    artifact_kind: n % 6 === 5 ? 'none' : 'artifact',
  })),
)
const all = (
  await listEntries(
    sql,
    { oneOf: { outcome: ['rate_limited', 'forwarded', CANARY_OUTCOME] } },
    { limit: 1000 },
  )
).entries

const FILTERS: EntryFilter[] = [
  {},
  { tenant: 'acme' },
  { tenant: CANARY_TENANT },
  { outcome: CANARY_OUTCOME },
  { route: 'npm', method: 'PUT' },
  { keyId: 'aaaaaaaaaaaa' },
  { status: '4xx' },
  { status: '503' },
  { pathPrefix: '/100%/_1' },
  { clientIp: '10.0.0.0/8' },
  { clientIp: '2001:db8::/32' },
  { clientIp: '2001:0db8:0::7' },
  { requestId: 'r7' },
  { traceId: '0af7651916cd43dd8448eb211c80319c' },
  { slowerThanUs: 30_000 },
  { since: new Date(startMs + 1000), until: new Date(startMs + 2000) },
  { artifactKind: 'artifact', oneOf: { status: ['404', '5xx'] } },
  { oneOf: { tenant: ['acme', 'globex'], reason: ['key_rate'] } },
  { oneOf: { outcome: ['rate_limited', CANARY_OUTCOME], method: ['GET', 'PUT'] } },
  {
    oneOf: { key_id: ['aaaaaaaaaaaa', 'bbbbbbbbbbbb'], route: ['npm'], artifact_kind: ['none', 'artifact'] },
  },
  ...[
    'left_pad',
    'core',
    '@Babel/core',
    'abel/core',
    'curl',
    'debian/CURL',
    'foo-bar-baz',
    'b/v2',
    'a/b/v2',
    'pad',
  ].map((name) => ({ package: name })),
]

t.test('a filter lets the same rows pass in the process as in the database', async (t) => {
  t.equal(all.length, 60)
  for (const filter of FILTERS) {
    const { entries } = await listEntries(sql, filter, { limit: 1000 })
    const found = entries.map(({ request_id: id }) => id)
    const matched = all.filter(matcherOf(filter)).map(({ request_id: id }) => id)
    t.same(matched, found, JSON.stringify(filter))
  }
})
