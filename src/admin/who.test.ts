import t from 'tap'
import { AuditSum } from '../model/audit/audit.ts'
import { EMPTY_QUERIES, startAdmin } from '../test/admin.ts'

const NO_SAMPLE = { values: [], more: 0 }
const COUNTS = {
  userCount: 0,
  unversioned: 0,
  incomparable: 0,
  incomparableVersions: NO_SAMPLE,
  likeNamed: NO_SAMPLE,
}

t.test(
  'who is asked with the package, the versions and the window; the answer has its coverage',
  async (t) => {
    const asked: unknown[] = []
    const { ask } = await startAdmin(t, {
      queries: {
        ...EMPTY_QUERIES,
        nowMs: async () => Date.parse('2026-11-21T08:00:00Z'),
        who: async (matcher, filter) => {
          asked.push([matcher.readings, filter])
          const coverage = {
            since: filter.since ?? null,
            until: filter.until ?? null,
            audit: { ...new AuditSum().summary, batches: 1 },
            isCounted: false,
            missing: { entries: 0, atMost: 0, unknown: 0, doubtful: 0 },
            settledAt: null,
            unidentified: null,
            expired: null,
          }
          return { users: { ...COUNTS, users: [], isCut: false }, coverage, gaps: [] }
        },
      },
    })
    const reply = await ask('/api/who?package=pkg:npm/%40babel/core%407&tenant=acme&route=npm')
    t.equal(reply.status, 200, reply.text)
    t.match(reply.json(), {
      package: 'pkg:npm/@babel/core@7',
      tenant: 'acme',
      since: '2026-11-14T08:00:00.000Z',
      until: '2026-11-21T08:00:00.000Z',
      answer: 'nobody downloaded it, and nothing is missing',
      users: [],
      coverage: { state: 'complete', rows: 'not counted' },
    })
    t.match(asked, [
      [
        [{ type: 'npm', name: '@babel/core', version: { text: '7' } }],
        {
          tenant: 'acme',
          route: 'npm',
          since: new Date('2026-11-14T08:00:00Z'),
          until: new Date('2026-11-21T08:00:00Z'),
        },
      ],
    ])
  },
)

t.test('what cannot be read is refused with its place', async (t) => {
  const { ask } = await startAdmin(t)
  for (const [query, parameter, detail] of [
    ['', 'package', /at character 1: expected a package URL/],
    ['package=pkg:npm/', 'package', /at character 9: expected the name/],
    ['package=left-pad&range=vers:npm/%3E', 'range', /at character 11: expected a version/],
    ['package=left-pad@1&range=2', 'package', /at character 9: expected no version beside a range/],
    ['package=left-pad&since=400d', 'since', /at most 366 days/],
    ['package=left-pad&key=1', 'key', /there is no such parameter/],
  ] as const) {
    const reply = await ask(`/api/who?${query}`)
    t.equal(reply.status, 400, query)
    t.match(reply.json(), { errors: [{ parameter, detail }] }, query)
  }
})
