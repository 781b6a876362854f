import t from 'tap'
import { AuditSum, type AuditGap, type AuditSummary } from '../audit/audit.ts'
import { answerOf, type Coverage, coverageStatement, MissingSum } from './coverage.ts'
import type { PackageUse, PackageUser, PackageUsers } from './package-use.ts'
import { verdictOf } from './who-document.ts'

const NO_SAMPLE = { values: [], more: 0 }
const NO_USERS: PackageUsers = {
  users: [],
  userCount: 0,
  unversioned: 0,
  incomparable: 0,
  incomparableVersions: NO_SAMPLE,
  likeNamed: NO_SAMPLE,
  isCut: false,
}

function coverageOf(changes: Partial<Coverage> = {}, audit: Partial<AuditSummary> = {}): Coverage {
  const { summary } = new AuditSum()
  return {
    since: new Date('2026-11-01'),
    until: null,
    audit: { ...summary, batches: 3, total: { ...summary.total, accepted: 9, stored: 9 }, ...audit },
    isCounted: true,
    missing: { entries: 0, atMost: 0, unknown: 0, doubtful: 0 },
    settledAt: null,
    unidentified: null,
    expired: null,
    ...changes,
  }
}

function user(tenant: string | null, keyId: string | null, use: PackageUse): PackageUser {
  const [at, sample] = [new Date(0), NO_SAMPLE]
  const sums = { requests: 1, bytesSent: 1, bytesReceived: 1, firstAt: at, lastAt: at }
  const samples = { versions: sample, addresses: sample, userAgents: sample }
  return {
    purl: 'pkg:npm/a',
    tenant,
    keyId,
    keyName: null,
    keyState: null,
    use,
    outcome: null,
    ...sums,
    ...samples,
  }
}

t.test('the answer tells who had it whole, and who may have it', (t) => {
  const answer = (...users: PackageUser[]): string => answerOf({ ...NO_USERS, users })
  t.equal(answer(), 'nobody downloaded it')
  t.equal(answer(user('a', '1', 'lookup'), user('a', '1', 'refused')), 'nobody downloaded it')
  t.equal(answer(user('a', '1', 'download')), '1 key of 1 tenant downloaded it')
  t.equal(
    answer(user('a', '1', 'download'), user('a', '2', 'download'), user('b', '3', 'download')),
    '3 keys of 2 tenants downloaded it',
  )
  t.equal(
    answer(user('a', '1', 'download'), user('a', '1', 'partial'), user('b', '3', 'partial')),
    '1 key of 1 tenant downloaded it, 1 more may have it (in part, by a redirect, or from before)',
  )
  t.equal(
    answer(user('a', '1', 'unchanged')),
    'nobody downloaded it whole, 1 may have it (in part, by a redirect, or from before)',
  )
  t.end()
})

t.test('what is missing, and what was not seen, make the state and the words', (t) => {
  const gap = { gapCount: 1 }
  const missing = { entries: 0, atMost: 0, unknown: 0, doubtful: 0 }
  const day = new Date('2026-10-01')
  const rows: [coverage: Coverage, users: PackageUsers, state: string, verdict: string | RegExp][] = [
    [coverageOf(), NO_USERS, 'complete', 'nobody downloaded it, and nothing is missing'],
    [
      coverageOf({ missing: { ...missing, entries: 17 } }, gap),
      NO_USERS,
      'gaps',
      'nobody downloaded it, but 17 entries are missing',
    ],
    [
      coverageOf({ missing: { ...missing, entries: 1, atMost: 512 } }, gap),
      NO_USERS,
      'gaps',
      /but 1 entry is missing; at most 512 entries were lost when a gateway died$/,
    ],
    [
      coverageOf({ missing: { ...missing, unknown: 1 } }, gap),
      NO_USERS,
      'gaps',
      /but 1 gap of unknown size$/,
    ],
    [
      coverageOf({ missing: { ...missing, doubtful: 2 } }, gap),
      NO_USERS,
      'gaps',
      /but 2 batches are not proven/,
    ],
    [
      coverageOf({}, { batches: 0, total: { ...coverageOf().audit.total, accepted: 0 } }),
      NO_USERS,
      'gaps',
      /but no entry was accepted in that time: is it the right database/,
    ],
    [
      coverageOf({ unidentified: { entries: 5, isExact: true, firstAt: day, lastAt: day } }),
      NO_USERS,
      'gaps',
      /but 5 entries are not identified yet, from 2026-10-01T.* waybill identify --since 2026-10-01$/,
    ],
    [coverageOf(), { ...NO_USERS, isCut: true }, 'gaps', /more versions than can be looked at/],
    [coverageOf(), { ...NO_USERS, userCount: 10_001 }, 'gaps', /only the first 0 of 10001 lines/],
    [
      coverageOf({}, { settledTo: day }),
      NO_USERS,
      'so_far',
      /^nobody downloaded it; nothing is missing, as far as was seen\. Not seen: what live gateways accepted since 2026-10-01T/,
    ],
    [coverageOf({ settledAt: day }, { settledTo: day }), NO_USERS, 'complete', /nothing is missing$/],
    [
      coverageOf({}, { isCutByFold: true, batchesSince: day }),
      NO_USERS,
      'so_far',
      /batches before 2026-10-01T00:00:00.000Z, which are known in sum only/,
    ],
    [
      coverageOf({ expired: { days: 1, entries: 8, from: day, to: new Date('2026-10-02') } }),
      NO_USERS,
      'so_far',
      /8 entries of 1 day from 2026-10-01 until 2026-10-02, which have expired/,
    ],
    [
      coverageOf({ since: null, expired: { days: 1, entries: 8, from: day, to: day } }),
      NO_USERS,
      'complete',
      /nothing is missing$/,
    ],
    [coverageOf(), { ...NO_USERS, unversioned: 2 }, 'so_far', /2 downloads or uploads of it whose version/],
    [
      coverageOf(),
      { ...NO_USERS, incomparable: 1, incomparableVersions: { values: ['main'], more: 2 } },
      'so_far',
      /cannot be compared: main and 2 more$/,
    ],
    [
      coverageOf({ missing: { ...missing, entries: 2 } }, { ...gap, settledTo: day }),
      NO_USERS,
      'gaps',
      /but 2 entries are missing\. Not seen: what live gateways/,
    ],
  ]
  for (const [coverage, users, state, verdict] of rows) {
    t.equal(coverageStatement(coverage, users).state, state, String(verdict))
    t.match(verdictOf(coverage, users), verdict)
  }
  t.end()
})

t.test('gaps are summed by what is known of their size; lines are bounded', (t) => {
  const sum = new MissingSum()
  const gap = (changes: Partial<AuditGap>): AuditGap => ({
    kind: 'dropped',
    instance: 'i',
    tenant: null,
    entries: null,
    entriesAtMost: null,
    requestsAtMost: null,
    batches: null,
    line: 'a line',
    ...changes,
  })
  sum.add({
    gaps: [
      gap({ entries: 17 }),
      gap({ kind: 'died', entriesAtMost: 512 }),
      gap({ kind: 'chain_broken', entries: 128 }),
      gap({ kind: 'unregistered' }),
      ...Array.from({ length: 30 }, () => gap({ entries: 1 })),
    ],
    gapsOmitted: 4,
  })
  t.same(sum.sum, { entries: 47, atMost: 512, unknown: 5, doubtful: 1 })
  t.equal(sum.lines.length, 20)
  t.end()
})
