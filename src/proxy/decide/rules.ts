import { belowRoute, identify } from '../../artifacts/identify.ts'
import { MAX_IDENTIFIED_PATH } from '../../artifacts/kind.ts'
import { ECOSYSTEMS } from '../../artifacts/kinds.ts'
import type { Identity } from '../../model/artifact/identity.ts'
import { purlOf } from '../../model/artifact/purl.ts'
import type { Route } from '../../model/route.ts'
import { judge, type RuleBook } from '../../model/rules/rule-book.ts'
import type { Exchange } from '../exchange/exchange.ts'
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
  const { route } = exchange
  if (route === null) return null
  const type = ECOSYSTEMS[route.kind].purlType
  if (type === '' || rules?.countOf(type) === 0) return null
  const { path, req, target } = exchange
  if (path.length > MAX_IDENTIFIED_PATH) return refuse('blocked', 'unidentified')
  const identity = identify(route, req.method ?? '', belowRoute(route, path) + (target?.query ?? ''))
  if (!isDownload(route, identity)) return null
  if (rules === null) return refuse('not_ready', 'no_rules')
  const { package: found } = identity
  if (found === null) return null
  const verdict = judge(rules, {
    found: { type, ...found },
    tenant: exchange.tenant?.slug ?? '',
    route: route.name,
    key: exchange.key?.id ?? '',
    nowMs: exchange.startedAtMs,
  })
  if (verdict === null) return null
  exchange.rule = verdict
  if (verdict.mark !== 'deny') return null
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
