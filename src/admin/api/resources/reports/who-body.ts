import { z } from '@hono/zod-openapi'
import { PACKAGE_USES } from '../../../../model/artifact/package-use.ts'
import { TIME } from '../../operation.ts'
import { AUDIT_SUMMARY, ownSummary } from './audit-body.ts'

const TEXTS = z.array(z.string())
const SAMPLE = z.strictObject({ values: TEXTS, more: z.int() })

const USER = z
  .strictObject({
    package: z.string().openapi({ description: 'Package URL without version.' }),
    tenant: z.string().nullable(),
    key_id: z.string().nullable(),
    key_name: z.string().nullable(),
    key_state: z.enum(['active', 'expired', 'revoked']).nullable(),
    use: z.enum(PACKAGE_USES),
    outcome: z.string().nullable(),
    requests: z.int(),
    bytes_sent: z.int(),
    bytes_received: z.int(),
    first_at: TIME,
    last_at: TIME,
    versions: TEXTS,
    versions_more: z.int(),
    addresses: TEXTS,
    addresses_more: z.int(),
    user_agents: TEXTS,
    user_agents_more: z.int(),
  })
  .openapi('PackageUser')

const COVERAGE = z
  .strictObject({
    state: z.enum(['complete', 'so_far', 'gaps']),
    missing: TEXTS,
    unseen: TEXTS,
    audit: AUDIT_SUMMARY,
    rows: z.enum(['counted', 'not counted']),
    missingEntries: z.strictObject({
      entries: z.int(),
      atMost: z.int(),
      unknown: z.int(),
      doubtful: z.int(),
    }),
    gaps: TEXTS.openapi({ description: 'Lines of the audit; empty for a tenant, whose audit names them.' }),
    settledAt: TIME.nullable(),
    unidentified: z
      .strictObject({ entries: z.int(), isExact: z.boolean(), firstAt: TIME, lastAt: TIME })
      .nullable(),
    expired: z
      .strictObject({
        days: z.int(),
        entries: z.int().nullable().openapi({ description: 'Of all tenants; null for an answer about one.' }),
        from: TIME,
        to: TIME,
      })
      .nullable(),
  })
  .openapi('Coverage')

/** The answer of GET /who. */
export const WHO = z
  .strictObject({
    package: z.string(),
    range: z.string().nullable(),
    tenant: z.string().nullable(),
    route: z.string().nullable(),
    ignoredQualifiers: TEXTS,
    since: TIME.nullable(),
    until: TIME.nullable(),
    answer: z.string().openapi({ description: 'The answer and what it rests on in one line.' }),
    userCount: z.int(),
    unversioned: z.int(),
    incomparable: z.int(),
    incomparableVersions: SAMPLE,
    likeNamed: SAMPLE,
    isCut: z.boolean(),
    users: z.array(USER),
    coverage: COVERAGE,
  })
  .openapi('WhoAnswer')

type Who = z.infer<typeof WHO>

/** The answer as a tenant sees it. */
export function ownWho(who: Who): Who {
  return { ...who, coverage: { ...who.coverage, audit: ownSummary(who.coverage.audit), gaps: [] } }
}
