import { z } from '@hono/zod-openapi'
import type { AuditGap } from '../../../../model/audit/audit.ts'
import {
  gapsOf,
  HOUR_STATES,
  hourState,
  type AuditedHour,
  type HourState,
} from '../../../../model/audit/completeness.ts'
import { readCompleteness, type Completeness } from '../../../../store/audit/completeness.ts'
import { readClock } from '../../../../store/entries/retention.ts'
import { timeAt } from '../../../parameters.ts'
import { ParameterError } from '../../../problem.ts'
import { windowOf } from '../../../window.ts'
import { MOMENT, SLUG } from '../../fields.ts'
import { json, LIMIT, operation, tenantScope, TIME, type Api } from '../../operation.ts'
import type { ApiSources } from '../../sources.ts'
import { GAP, ownGap } from './audit-body.ts'

const HOUR_MS = 3_600_000
const BOUNDS = { defaultDays: 1, maxDays: 7 }
/** Gaps listed for an hour. */
const MAX_GAPS = 20

const STATE = z.enum(HOUR_STATES)

const HOUR = z
  .strictObject({
    at: TIME,
    state: STATE,
    accepted: z.int().openapi({ description: 'Requests; those of a tenant where the answer is about one.' }),
    gapCount: z.int(),
    gaps: z.array(GAP).openapi({ description: `The first ${MAX_GAPS}.` }),
  })
  .openapi('CompletenessHour')

const TENANT = z
  .strictObject({
    tenant: z.string().openapi({ description: "'' for requests that could not be attributed." }),
    states: z.array(STATE).openapi({ description: 'As `hours`, one for each.' }),
    accepted: z.array(z.int()).openapi({ description: 'As `hours`, one for each.' }),
  })
  .openapi('CompletenessTenant')

const COMPLETENESS = z
  .strictObject({
    since: TIME.openapi({ description: 'Whole hours, UTC.' }),
    until: TIME,
    settledTo: TIME.nullable().openapi({
      description:
        'Until when live gateways are known to have stored all; null where none may have accepted more.',
    }),
    hours: z.array(HOUR).openapi({ description: 'All tenants together, or the one that was asked for.' }),
    tenants: z.array(TENANT).openapi({
      description: 'Those with gaps first, then those with most requests.',
    }),
    moreTenants: z.int().openapi({ description: 'Tenants beyond the limit.' }),
  })
  .openapi('Completeness')

type Body = z.infer<typeof COMPLETENESS>

/** GET /completeness: what the ledger says of each hour and tenant. */
export function addCompleteness(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: true },
      {
        method: 'get',
        path: '/completeness',
        operationId: 'readCompleteness',
        tags: ['reports'],
        description:
          'Whether anything is missing, hour by hour: the audits of `/audit`, whose gaps stand in each hour that they may be of. At most 7 days.',
        request: {
          query: z.strictObject({
            since: MOMENT.optional().openapi({ description: 'A day ago unless told.' }),
            until: MOMENT.optional(),
            tenant: SLUG.optional(),
            limit: LIMIT.openapi({ description: 'Tenants at most.' }),
          }),
        },
        responses: { 200: json(COMPLETENESS, 'The hours') },
      },
    ),
    async (c) => {
      const { since, until, tenant: asked, limit } = c.req.valid('query')
      const tenant = tenantScope(c, asked)
      const { databaseMs: nowMs } = await readClock(reader, Date.now)
      const window = { ...hoursOf({ since, until }, nowMs), ...(tenant === undefined ? {} : { tenant }) }
      const found = await readCompleteness(reader, window, { nowMs, signal: c.var.ended.signal })
      const isOperator = c.var.signedIn.principal.tenant === null
      const body = bodyOf(window, found, limit)
      return c.json(isOperator ? body : ownBody(body), 200)
    },
  )
}

/** The whole hours of a window, up to the one that is not over. Throws a ParameterError. */
function hoursOf(
  given: { readonly since: string | undefined; readonly until: string | undefined },
  nowMs: number,
): { since: Date; until: Date } {
  const time = (text: string | undefined, name: 'since' | 'until') => {
    const at = text === undefined ? null : timeAt(nowMs).parse(text)
    return at === null ? {} : { [name]: at }
  }
  const { since, until } = windowOf(
    { ...time(given.since, 'since'), ...time(given.until, 'until') },
    nowMs,
    BOUNDS,
  )
  const from = Math.floor(since.getTime() / HOUR_MS) * HOUR_MS
  const to = Math.ceil(Math.min(until.getTime(), nowMs) / HOUR_MS) * HOUR_MS
  if (from >= to) throw new ParameterError([{ parameter: 'since', detail: 'must not be in the future' }])
  return { since: new Date(from), until: new Date(to) }
}

function bodyOf(
  { since, until, tenant }: { readonly since: Date; readonly until: Date; readonly tenant?: string },
  { hours, settledTo, accepted }: Completeness,
  limit: number,
): Body {
  const sums = hours.map((_, i) => [...accepted.values()].reduce((sum, counts) => sum + (counts[i] ?? 0), 0))
  const named = hours.flatMap(({ gaps }) => gaps.flatMap((gap) => (gap.tenant === null ? [] : [gap.tenant])))
  const tenants = [...new Set([...accepted.keys(), ...named])]
    .map((slug) => rowOf(slug, hours, accepted.get(slug) ?? []))
    .toSorted((a, b) => b.doubts - a.doubts || b.sum - a.sum || (a.row.tenant < b.row.tenant ? -1 : 1))
  return {
    since: since.toISOString(),
    until: until.toISOString(),
    settledTo: settledTo?.toISOString() ?? null,
    hours: hours.map((hour, i) => {
      const gaps = gapsOf(hour, tenant ?? null)
      const n = sums[i] ?? 0
      return {
        at: hour.at.toISOString(),
        state: hourState(hour, tenant ?? null, n),
        accepted: n,
        gapCount: gaps.length + hour.gapsOmitted,
        gaps: gaps.slice(0, MAX_GAPS).map(gapBody),
      }
    }),
    tenants: tenants.slice(0, limit).map(({ row }) => row),
    moreTenants: Math.max(0, tenants.length - limit),
  }
}

const DOUBTED: ReadonlySet<HourState> = new Set(['gap', 'unproven'])

function rowOf(tenant: string, hours: readonly AuditedHour[], accepted: readonly number[]) {
  const counts = hours.map((_, i) => accepted[i] ?? 0)
  const states = hours.map((hour, i) => hourState(hour, tenant, counts[i] ?? 0))
  return {
    row: { tenant, states, accepted: counts },
    doubts: states.filter((state) => DOUBTED.has(state)).length,
    sum: counts.reduce((sum, n) => sum + n, 0),
  }
}

function gapBody({ batches, ...gap }: AuditGap): z.infer<typeof GAP> {
  return { ...gap, batches: batches === null ? null : [batches[0], batches[1]] }
}

/** As a tenant sees it: nothing of the machines, or of how much others do. */
function ownBody(body: Body): Body {
  return { ...body, hours: body.hours.map((hour) => ({ ...hour, gaps: hour.gaps.map(ownGap) })) }
}
