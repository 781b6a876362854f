import { z } from 'zod'
import type { Route } from '../model/route.ts'
import { DEFAULT_RULES, PATH_MODES, type RouteRules } from '../model/route-rules.ts'

/** The keys of a route that tell how its clients and its upstream see each other through the gateway. */
export const RULE_KEYS = {
  paths: z.enum(PATH_MODES).optional(),
}

const keys = z.object(RULE_KEYS)

/** Values of those keys as they were read. */
type RuleValues = z.infer<typeof keys>

/** Takes those keys out of a route's, and makes its rules of them. */
export function takeRules<Values extends RuleValues>(
  values: Values,
): Omit<Values, keyof RuleValues> & { rules: RouteRules } {
  const { paths, ...rest } = values
  return { ...rest, rules: { paths: paths ?? DEFAULT_RULES.paths } }
}

/** What is wrong with the rules in the light of the other routes. */
export function ruleProblems(routes: readonly Route[]): string[] {
  const problems: string[] = []
  for (const route of routes) {
    if (route.rules.paths !== 'verbatim') continue
    const narrower = routes.find((other) => isBelow(other, route))
    if (narrower === undefined) continue
    problems.push(
      `routes (${route.name}).paths: verbatim cannot be: route ${narrower.name} at ${narrower.path} lies below it, ` +
        'and a path that two readers take differently could lead to either; use strict',
    )
  }
  return problems
}

/** Whether a request of the one route could be one of the other by another reading of its path. */
function isBelow(narrower: Route, wider: Route): boolean {
  if (narrower === wider || narrower.path === wider.path || !narrower.path.startsWith(wider.path))
    return false
  return wider.host === null || narrower.host === null || narrower.host === wider.host
}
