import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { parseDurationMs, DURATION_FORM } from '../../../../model/duration.ts'
import type { EntryFilter, OneOf } from '../../../../store/entries/entry-filter.ts'
import { entryParameters } from '../../../entry-parameters.ts'
import { timeAt, type Parameter } from '../../../parameters.ts'
import { requireOrder } from '../../../window.ts'
import { MOMENT } from '../../fields.ts'
import { tenantScope, type ApiEnv } from '../../operation.ts'

/** Values of one parameter at most. */
const MAX_VALUES = 50

const FORMS = entryParameters(0)

const REASON: Parameter<string> = {
  form: 'the reason of an entry such as key_rate: a-z and _',
  parse: (text) => (/^[a-z_]{1,40}$/.test(text) ? text : null),
}

const TRACE_ID: Parameter<string> = {
  form: 'a trace id: 32 of 0-9 and a-f',
  parse: (text) => (/^[0-9a-f]{32}$/.test(text) ? text : null),
}

const RULE: Parameter<string> = {
  form: 'the id of a rule: r and 16 of 0-9 and a-f',
  parse: (text) => (/^r[0-9a-f]{16}$/.test(text) ? text : null),
}

const SLOWER_THAN: Parameter<number> = { form: DURATION_FORM, parse: parseDurationMs }

/** The parameters that restrict entries, each optional; those that may be repeated mean "one of". */
export const ENTRY_QUERY = {
  tenant: several(FORMS.tenant),
  key: several(FORMS.key),
  route: several(FORMS.route),
  status: several(FORMS.status),
  outcome: several(FORMS.outcome),
  reason: several(REASON),
  method: several(FORMS.method),
  artifactKind: several(FORMS.artifactKind),
  path: one(FORMS.path),
  package: one(FORMS.package),
  address: one(FORMS.ip),
  requestId: one(FORMS.requestId),
  traceId: one(TRACE_ID),
  rule: one(RULE),
  slowerThan: one(SLOWER_THAN),
  since: MOMENT.optional().openapi({ description: 'inclusive' }),
  until: MOMENT.optional().openapi({ description: 'exclusive' }),
}

const QUERY = z.strictObject(ENTRY_QUERY)

/** What the parameters of a request were. */
export type EntryQuery = z.infer<typeof QUERY>

/**
 * The filter that they are, restricted to what the principal may see. `nowMs`: the database's time. Throws an ApiError for another tenant than the
 * principal's, and a ParameterError for a window that would end before it begins.
 */
export function entryFilter(c: Context<ApiEnv>, query: EntryQuery, nowMs: number): EntryFilter {
  const tenants = query.tenant ?? []
  for (const tenant of tenants) tenantScope(c, tenant)
  const tenant =
    tenants.length > 1 && c.var.signedIn.principal.tenant === null ? undefined : tenantScope(c, tenants[0])
  const oneOf: OneOf = {
    ...(tenant === undefined && tenants.length > 0 ? { tenant: tenants } : {}),
    ...(query.key === undefined ? {} : { key_id: query.key }),
    ...(query.route === undefined ? {} : { route: query.route }),
    ...(query.status === undefined ? {} : { status: query.status }),
    ...(query.outcome === undefined ? {} : { outcome: query.outcome }),
    ...(query.reason === undefined ? {} : { reason: query.reason }),
    ...(query.method === undefined ? {} : { method: query.method }),
    ...(query.artifactKind === undefined ? {} : { artifact_kind: query.artifactKind }),
  }
  const { path, address, slowerThan } = query
  return {
    ...(tenant === undefined ? {} : { tenant }),
    oneOf,
    ...(path === undefined ? {} : { pathPrefix: path }),
    ...(address === undefined ? {} : { clientIp: address }),
    ...(query.package === undefined ? {} : { package: query.package }),
    ...(query.requestId === undefined ? {} : { requestId: query.requestId }),
    ...(query.traceId === undefined ? {} : { traceId: query.traceId }),
    ...(query.rule === undefined ? {} : { ruleId: query.rule }),
    ...(slowerThan === undefined ? {} : { slowerThanUs: slowerThan * 1000 }),
    ...windowOf(query, nowMs),
  }
}

/** The times that were given, by the database's clock. Throws a ParameterError where `since` is not before `until`. */
function windowOf(query: Pick<EntryQuery, 'since' | 'until'>, nowMs: number): { since?: Date; until?: Date } {
  const time = (text: string | undefined): Date | null =>
    text === undefined ? null : timeAt(nowMs).parse(text)
  const since = time(query.since) ?? undefined
  const until = time(query.until) ?? undefined
  requireOrder(since, until)
  return { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) }
}

/** A parameter that may be given once. */
export function one<T>(parameter: Parameter<T>) {
  return valueOf(parameter).optional()
}

/** A parameter that may be repeated. */
function several<T>(parameter: Parameter<T>) {
  const given = z.array(valueOf(parameter)).min(1).max(MAX_VALUES, `at most ${MAX_VALUES} values`)
  return z.preprocess((value) => (typeof value === 'string' ? [value] : value), given.optional())
}

function valueOf<T>({ form, parse }: Parameter<T>) {
  return z.string({ error: 'must be given once' }).transform((text, ctx) => {
    const value = parse(text)
    if (value !== null) return value
    ctx.addIssue({ code: 'custom', message: `must be ${form}` })
    return z.NEVER
  })
}
