import { PURL_TYPES } from '../artifacts/purl-types.ts'
import { readMatcher } from '../model/artifact/package-matcher.ts'
import { whoDocument } from '../model/artifact/who-document.ts'
import { type Parameter, readParameters, SLUG, timeAt } from './parameters.ts'
import { ParameterError, type ParameterProblem } from './problem.ts'
import type { AdminQueries } from './queries.ts'
import { nowOf, windowOf } from './window.ts'

const DEFAULT_DAYS = 7
/** The index finds a package in a year as fast as in a day; what takes time is the audit, which the deadline of queries bounds. */
const MAX_DAYS = 366

const TEXT: Parameter<string> = { form: 'text', parse: (text) => text }

/** Exactly the answer of `waybill who --quick --json`, for a window of days. */
export async function who(
  queries: AdminQueries,
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<unknown> {
  const nowMs = await nowOf(queries)
  const given = readParameters(query, {
    package: TEXT,
    range: TEXT,
    tenant: SLUG,
    route: SLUG,
    since: timeAt(nowMs),
    until: timeAt(nowMs),
  })
  const { package: text = '', range = null, tenant = null, route = null } = given
  const window = windowOf(given, nowMs, { defaultDays: DEFAULT_DAYS, maxDays: MAX_DAYS })
  const problems: ParameterProblem[] = []
  const matcher = readMatcher(text, range, [...new Set(PURL_TYPES.values())], (parameter, { message }) =>
    problems.push({ parameter, detail: message }),
  )
  if (matcher === null) throw new ParameterError(problems)
  const filter = { ...(tenant === null ? {} : { tenant }), ...(route === null ? {} : { route }), ...window }
  const { users, coverage, gaps } = await queries.who(matcher, filter, signal)
  const { ignoredQualifiers } = matcher
  return whoDocument({ package: text, range, tenant, route, ignoredQualifiers }, users, coverage, gaps)
}
