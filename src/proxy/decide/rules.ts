import { belowRoute, identify } from '../../artifacts/identify.ts'
import { MAX_IDENTIFIED_PATH } from '../../artifacts/kind.ts'
import { ECOSYSTEMS } from '../../artifacts/kinds.ts'
import type { Identity } from '../../model/artifact/identity.ts'
import { purlOf } from '../../model/artifact/purl.ts'
import type { Route } from '../../model/route.ts'
import { judge, type RuleBook } from '../../model/rules/rule-book.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { isSpecialPath, readingsOf } from '../routing/path-readings.ts'
import { refuse, type DecisionContext, type Refusal } from './context.ts'

/**
 * Rules: what a download is of, and whether that is denied. Without a rule it costs a branch. What a request is about is told from its path,
 * here only where there is a rule for the route's type of packages: some µs, as much as the background takes for it.
 */
export function checkRules(exchange: Exchange, { directory }: DecisionContext): Refusal | null {
  const { rules } = directory
  return rules !== null && rules.count === 0 ? null : judgeRequest(exchange, rules)
}

function judgeRequest(exchange: Exchange, rules: RuleBook | null): Refusal | null {
  const { route, path } = exchange
  if (route === null) return null
  const type = ECOSYSTEMS[route.kind].purlType
  if (type === '' || rules?.countOf(type) === 0) return null
  if (path.length > MAX_IDENTIFIED_PATH) return refuse('blocked', 'unidentified')
  const rest = belowRoute(route, path)
  const query = exchange.target?.query ?? ''
  const refusal = judgeReading(exchange, route, rules, rest + query)
  if (refusal !== null || !hasOtherReadings(rest, query)) return refusal
  return judgeOtherReadings(exchange, route, rules, rest)
}

/** Whether some server might take the request for one that is written otherwise. */
function hasOtherReadings(rest: string, query: string): boolean {
  return query !== '' || rest.endsWith('/') || isSpecialPath(rest)
}

/**
 * As scopes and limits, a rule holds for what each server behind could come to: also for one that drops path parameters, `/./` or the slash
 * at the end, that decodes again, or that does not read the query. At most 58 readings, some 100 µs.
 */
function judgeOtherReadings(
  exchange: Exchange,
  route: Route,
  rules: RuleBook | null,
  rest: string,
): Refusal | null {
  const readings = isSpecialPath(rest) ? readingsOf(rest, Infinity) : NO_READINGS
  if (readings === null) return refuse('blocked', 'unidentified')
  for (const reading of [rest, ...readings]) {
    const refusal = judgeReading(exchange, route, rules, withoutSlash(reading))
    if (refusal !== null) return refusal
  }
  return null
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

const NO_READINGS: ReadonlySet<string> = new Set()

/** By one reading. The first rule that lets pass is noted, unless another reading is denied. */
function judgeReading(
  exchange: Exchange,
  route: Route,
  rules: RuleBook | null,
  reading: string,
): Refusal | null {
  const identity = identify(route, exchange.req.method ?? '', reading)
  if (!isDownload(route, identity)) return null
  if (rules === null) return refuse('not_ready', 'no_rules')
  const { package: found } = identity
  if (found === null) return null
  const type = ECOSYSTEMS[route.kind].purlType
  const verdict = judge(rules, {
    found: { type, ...found },
    tenant: exchange.tenant?.slug ?? '',
    route: route.name,
    key: exchange.key?.id ?? '',
    nowMs: exchange.startedAtMs,
  })
  if (verdict === null) return null
  if (verdict.mark !== 'deny') {
    exchange.rule ??= verdict
    return null
  }
  exchange.rule = verdict
  exchange.deniedPurl = purlOf(type, found)
  return refuse('blocked', 'rule')
}

/**
 * Whether what is asked for gets installed: a file, or the manifest of an image. Documents about packages and versions are not refused, as
 * clients read those of versions that they do not install.
 */
function isDownload({ kind }: Route, identity: Identity): boolean {
  return identity.kind === 'artifact' || (kind === 'oci' && identity.kind === 'metadata')
}
