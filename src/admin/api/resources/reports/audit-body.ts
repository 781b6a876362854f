import { z } from '@hono/zod-openapi'
import { AUDIT_GAP_KINDS } from '../../../../model/audit/audit.ts'
import { TIME } from '../../operation.ts'

const COUNTS = {
  accepted: z.int(),
  stored: z.int(),
  expired: z.int().openapi({ description: 'The part of `stored` that retention has dropped since.' }),
  quarantined: z.int(),
  dropped: z.record(z.string(), z.int()).openapi({ description: 'By reason.' }),
}

const ACCOUNT = z
  .strictObject({
    tenant: z.string().openapi({ description: "'' for requests that could not be attributed." }),
    ...COUNTS,
  })
  .openapi('AuditAccount')

const OF_THE_GATEWAY = 'Null for a tenant: it is of the gateway, or of all tenants.'
const time = TIME.nullable()
/** What a tenant is not told. */
const count = z.int().nullable().openapi({ description: OF_THE_GATEWAY })

/** The sums of an audit. */
export const AUDIT_SUMMARY = z
  .strictObject({
    isComplete: z
      .boolean()
      .openapi({ description: 'Every accepted entry of the window is stored, or has expired, and proven.' }),
    instanceCount: z.int(),
    batches: count,
    waiting: count,
    gapCount: z.int(),
    settledTo: time.openapi({ description: 'Until when live gateways are known to have stored all.' }),
    foldedBatches: count,
    batchesSince: time,
    isCutByFold: z.boolean(),
    weaknesses: z.array(z.string()).openapi({ description: 'Empty for a tenant.' }),
    tenants: z.array(ACCOUNT),
    total: z.strictObject(COUNTS),
  })
  .openapi('AuditSummary')

/** One thing that keeps a log from being complete and proven. */
export const GAP = z
  .strictObject({
    kind: z.enum(AUDIT_GAP_KINDS),
    instance: z.string(),
    tenant: z.string().nullable().openapi({ description: 'Null when it is not known, or may be any.' }),
    entries: z.int().nullable(),
    entriesAtMost: z.int().nullable(),
    requestsAtMost: z.int().nullable(),
    batches: z.tuple([z.int(), z.int()]).nullable().openapi({ description: OF_THE_GATEWAY }),
    line: z.string(),
  })
  .openapi('AuditGap')

const INSTANCE = z
  .strictObject({
    id: z.string(),
    state: z.enum(['live', 'ended', 'died', 'unregistered', 'vanished']),
    accounts: z.array(ACCOUNT),
    batches: count,
    waiting: count,
    host: z.string().nullable(),
    version: z.string().nullable(),
    startedAt: time,
    lastSeenAt: time,
    endedAt: time,
    capacityEntries: count,
    memoryEntries: count.optional(),
    inFlight: count.optional(),
    inFlightMost: count.optional(),
    underWayCount: count.optional(),
    weaknesses: z.array(z.string()).nullable().optional(),
    diedOf: z.enum(['exited', 'gone', 'heir']).nullable().optional(),
    journalMs: count,
    acceptedSeq: count,
    spilledEntries: count,
  })
  .openapi('AuditedInstance')

/** The answer of GET /audit. */
export const AUDIT = z
  .strictObject({
    since: TIME,
    until: TIME,
    tenant: z.string().optional(),
    ...AUDIT_SUMMARY.shape,
    instances: z.array(INSTANCE),
    gaps: z.array(GAP),
    isTruncated: z.boolean().openapi({ description: 'Lists are cut; `isComplete` and the sums are of all.' }),
  })
  .openapi('Audit')

type Audit = z.infer<typeof AUDIT>
type Summary = z.infer<typeof AUDIT_SUMMARY>

/** The sums as a tenant sees them: its books, and what may concern any tenant; nothing of the machines, or of how much others do. */
export function ownSummary<S extends Summary>(summary: S): S {
  return { ...summary, batches: null, waiting: null, foldedBatches: null, weaknesses: [] }
}

/** The audit as a tenant sees it. */
export function ownAudit(audit: Audit): Audit {
  return { ...ownSummary(audit), instances: audit.instances.map(ownInstance), gaps: audit.gaps.map(ownGap) }
}

function ownInstance({ id, state, accounts }: z.infer<typeof INSTANCE>): z.infer<typeof INSTANCE> {
  return {
    id,
    state,
    accounts,
    batches: null,
    waiting: null,
    host: null,
    version: null,
    startedAt: null,
    lastSeenAt: null,
    endedAt: null,
    capacityEntries: null,
    journalMs: null,
    acceptedSeq: null,
    spilledEntries: null,
  }
}

/** A gap as a tenant sees it: one that may be of any tenant has the numbers of all. */
export function ownGap({
  kind,
  instance,
  tenant,
  entries,
  entriesAtMost,
}: z.infer<typeof GAP>): z.infer<typeof GAP> {
  const isOwn = tenant !== null
  const known = isOwn && entries !== null ? `: ${entries} ${entries === 1 ? 'entry' : 'entries'}` : ''
  return {
    kind,
    instance,
    tenant,
    entries: isOwn ? entries : null,
    entriesAtMost: isOwn ? entriesAtMost : null,
    requestsAtMost: null,
    batches: null,
    line: `instance ${instance}: ${kind.replaceAll('_', ' ')}${known}`,
  }
}
