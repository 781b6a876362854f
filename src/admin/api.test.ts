import t from 'tap'
import { mintKey } from '../model/api-key.ts'
import type { EntryFilter } from '../store/entries/entries.ts'
import type { Tenant } from '../store/directory/tenants.ts'
import { EMPTY_QUERIES, startAdmin } from '../test/admin.ts'
import { tenantOf } from '../test/grants.ts'

const CURSOR = { startedAt: '2026-11-21T08:00:00.123456Z', id: '00000000-0000-4000-8000-000000000000' }

t.test('entries are asked for with exactly the filters given', async (t) => {
  const asked: unknown[] = []
  const { ask } = await startAdmin(t, {
    queries: {
      ...EMPTY_QUERIES,
      parseCursor: (text) => (text === 'here' ? CURSOR : null),
      entries: async (...args) => {
        asked.push(args)
        return { entries: [], next: 'there' }
      },
    },
  })
  const query =
    'tenant=acme&route=npm&status=5xx&outcome=upstream_reset&method=GET&path=/npm/%40a%2F&key=0123456789ab&ip=::ffff:10.1.2.0/120&requestId=build/7%2B1:a&package=%40babel/core&artifactKind=artifact&since=2026-11-20&until=2026-11-21T08:00:00%2B01:00&limit=7&cursor=here'
  t.strictSame((await ask(`/api/entries?${query}`)).json(), { entries: [], next: 'there' })
  t.equal((await ask('/api/entries')).status, 200)
  const filter: EntryFilter = {
    tenant: 'acme',
    route: 'npm',
    status: '5xx',
    outcome: 'upstream_reset',
    method: 'GET',
    pathPrefix: '/npm/@a/',
    keyId: '0123456789ab',
    clientIp: '10.1.2.0/24',
    requestId: 'build/7+1:a',
    package: '@babel/core',
    artifactKind: 'artifact',
    since: new Date('2026-11-20T00:00:00Z'),
    until: new Date('2026-11-21T07:00:00Z'),
  }
  t.strictSame(asked, [
    [filter, 7, CURSOR],
    [{}, 100, null],
  ])
})

t.test('a time may be how long ago', async (t) => {
  let since = 0
  const { ask } = await startAdmin(t, {
    queries: {
      ...EMPTY_QUERIES,
      entries: async (filter) => {
        since = filter.since?.getTime() ?? 0
        return { entries: [], next: null }
      },
    },
  })
  const earliest = Date.now() - 3_600_000
  await ask('/api/entries?since=1h')
  t.ok(since >= earliest && since <= Date.now() - 3_600_000)
})

t.test('everything wrong with the parameters is said at once, with what is allowed', async (t) => {
  const { ask } = await startAdmin(t)
  const bad =
    'tenant=A_B&route=&status=600&outcome=lost&method=G%20T&path=%00&key=k&ip=10.0.0.0/33&requestId=a%20b&package=pkg:npm/left-pad&artifactKind=file&since=yesterday&until=2026-13-01&limit=0&cursor=x&nope=1&limit=5&__proto__=1'
  const reply = await ask(`/api/entries?${bad}`)
  t.equal(reply.status, 400)
  t.equal(reply.headers['content-type'], 'application/problem+json')
  const errors = reply.json()['errors'] as { parameter: string; detail: string }[]
  t.strictSame(
    errors.map((error) => error.parameter),
    [
      'tenant',
      'route',
      'status',
      'outcome',
      'method',
      'path',
      'key',
      'ip',
      'requestId',
      'package',
      'artifactKind',
      'since',
      'until',
      'limit',
      'cursor',
      'nope',
      'limit',
      '__proto__',
    ],
  )
  t.match(errors[3], { detail: /one of forwarded, .*answered, unauthenticated/ })
  t.match(errors[7], { detail: /10\.0\.0\.0\/8 or 2001:db8/ })
  t.match(errors[9], { detail: /the name of a package such as left-pad.*package URLs.*\/api\/who/ })
  t.match(errors[10], { detail: /one of index, metadata, artifact, upload/ })
  t.match(errors[13], { detail: 'must be a whole number from 1 to 1000' })
  t.match(errors[15], {
    detail: /no such parameter; there are tenant, route, key, .*, package, artifactKind/,
  })
  t.match(errors[16], { detail: 'must be given once' })
})

t.test('a whole key in an address is refused, and not repeated', async (t) => {
  const { ask } = await startAdmin(t)
  const { text } = mintKey()
  const reply = await ask(`/api/entries?key=${text}`)
  t.equal(reply.status, 400)
  t.match(reply.json(), { errors: [{ parameter: 'key', detail: /the id of a key.*never the key itself/ }] })
  t.notMatch(reply.text, text.slice(-20))
})

t.test('single bad values are refused', async (t) => {
  const { ask } = await startAdmin(t)
  const refused = [
    'entries?limit=1001',
    'entries?limit=1e2',
    'entries?limit=-1',
    'entries?status=5XX',
    'entries?status=099',
    'entries?since=2026-02-30T99:00:00Z',
    'entries?since=2026-11-21T08:00:00',
    'entries?since=1h&until=2h',
    'entries?package=',
    `entries?package=${'x'.repeat(513)}`,
    'entries?package=%00',
    'entries?artifactKind=Artifact',
    'entries?ip=localhost',
    'entries?requestId=',
    'entries?clientIp=10.0.0.1',
    `entries?path=${'x'.repeat(2049)}`,
    'tenants?after=%27',
    'tenants?limit=ten',
    'usage?since=400d',
    'usage?limit=1',
  ]
  for (const path of refused) t.equal((await ask(`/api/${path}`)).status, 400, path)
})

t.test('tenants come in pages that join without gap or repetition', async (t) => {
  const now = new Date(0)
  const all: Tenant[] = ['a', 'b', 'c', 'd', 'e'].map((slug) =>
    Object.assign(tenantOf({ slug }), { createdAt: now, updatedAt: now }),
  )
  const { ask } = await startAdmin(t, {
    queries: {
      ...EMPTY_QUERIES,
      tenants: async (after, limit) => all.filter((row) => row.slug > after).slice(0, limit),
    },
  })
  const seen: string[] = []
  let next: string | null = ''
  for (let page = 0; next !== null && page < 9; page++) {
    const reply = (await ask(`/api/tenants?limit=2${next === '' ? '' : `&after=${next}`}`)).json()
    seen.push(...(reply['tenants'] as Tenant[]).map((tenant) => tenant.slug))
    next = reply['next'] as string | null
  }
  t.strictSame(seen, ['a', 'b', 'c', 'd', 'e'])
})

t.test('usage is collected over its chunks and says when it is cut', async (t) => {
  const row = (day: string) => ({
    day,
    tenant: 'acme',
    route: null,
    requests: 2 ** 53 - 1,
    errors_4xx: 0,
    refused_auth: 0,
    refused_limit: 0,
    refused_other: 0,
    refused_bytes_received: 0,
    refused_bytes_sent: 0,
    errors_5xx: 0,
    bytes_received: 0,
    bytes_sent: 0,
  })
  let chunks = 3
  const asked: { tenant?: string; since: Date; until: Date }[] = []
  const { ask } = await startAdmin(t, {
    queries: {
      ...EMPTY_QUERIES,
      usage: async function* (filter) {
        asked.push(filter)
        for (let i = 0; i < chunks; i++) yield Array.from({ length: 4000 }, () => row('2026-11-21'))
      },
    },
  })
  const cut = (await ask('/api/usage?tenant=acme&since=2026-11-01&until=2026-11-21')).json()
  t.match(cut, { isTruncated: true, since: '2026-11-01T00:00:00.000Z', until: '2026-11-21T00:00:00.000Z' })
  t.equal((cut['usage'] as unknown[]).length, 10_000)
  chunks = 1
  const whole = (await ask('/api/usage')).json()
  t.match(whole, { isTruncated: false, usage: { length: 4000, 0: { requests: 2 ** 53 - 1 } } })
  t.equal(asked[0]?.tenant, 'acme')
  t.equal((asked[1]?.until.getTime() ?? 0) - (asked[1]?.since.getTime() ?? 0), 30 * 86_400_000)
})

t.test('R29: usage has the days and dates of the time zone asked for', async (t) => {
  const zones: (string | undefined)[] = []
  const { ask } = await startAdmin(t, {
    queries: {
      ...EMPTY_QUERIES,
      usage: async function* ({ timeZone }) {
        zones.push(timeZone?.name)
        yield* []
      },
    },
  })
  const query = '/api/usage?since=2026-09-27&until=2026-10-01'
  t.match((await ask(`${query}&timezone=Pacific/Auckland`)).json(), {
    since: '2026-09-26T12:00:00.000Z',
    until: '2026-09-30T11:00:00.000Z',
    timezone: 'Pacific/Auckland',
  })
  t.match((await ask(query)).json(), { since: '2026-09-27T00:00:00.000Z', timezone: 'UTC' })
  t.strictSame(zones, ['Pacific/Auckland', 'UTC'])
  const refused = await ask('/api/usage?timezone=%2B13:00&since=nope')
  t.match(refused, { status: 400, text: /IANA time zone database such as Pacific/ })
  t.match(refused.text, /a time such as/)
  t.match(await ask('/api/audit?timezone=UTC'), { status: 400, text: /no such parameter/ })
})

t.test('an audit covers a bounded window, a day unless told, and says when its lists are cut', async (t) => {
  const asked: { tenant?: string; since: Date; until: Date }[] = []
  const gap = {
    kind: 'dropped',
    instance: 'i',
    tenant: 'acme',
    entries: 1,
    entriesAtMost: null,
    requestsAtMost: null,
    batches: null,
    line: 'x',
  } as const
  const instance = {
    id: 'i',
    host: 'gw-1',
    version: '0.1.0',
    startedAt: null,
    lastSeenAt: null,
    endedAt: null,
    capacityEntries: 1,
    journalMs: null,
    acceptedSeq: null,
    spilledEntries: null,
  }
  const account = {
    tenant: 'acme',
    accepted: 3,
    stored: 2,
    expired: 0,
    quarantined: 0,
    dropped: { channel_full: 1 },
  }
  const { ask } = await startAdmin(t, {
    queries: {
      ...EMPTY_QUERIES,
      audit: async function* (filter) {
        asked.push(filter)
        const gaps = Array.from({ length: 700 }, () => gap)
        for (let i = 0; i < 2; i++) {
          yield {
            instance,
            state: 'live',
            batches: 1,
            accounts: [account],
            waiting: 2,
            gaps,
            gapsOmitted: 5,
          }
        }
      },
    },
  })
  const answer = (await ask('/api/audit?tenant=acme')).json()
  t.match(answer, {
    isComplete: false,
    gapCount: 1410,
    instanceCount: 2,
    batches: 2,
    waiting: 4,
    total: { accepted: 6, stored: 4, dropped: { channel_full: 2 } },
    tenants: [{ tenant: 'acme' }],
    instances: [{ id: 'i', host: 'gw-1', state: 'live', accounts: [{ tenant: 'acme' }] }, {}],
    gaps: { length: 1000 },
    isTruncated: true,
  })
  const [filter] = asked
  t.equal(filter?.tenant, 'acme')
  t.equal(Number(filter?.until) - Number(filter?.since), 86_400_000)
  const late = await ask('/api/audit?since=2026-11-01&until=2026-11-09')
  t.match(late, { status: 400, text: /at most 7 days/ })
  t.equal((await ask('/api/audit?since=2026-11-01&until=2026-11-08')).status, 200)
})
