import { nearestName } from '../lib/near-name.ts'
import { OPTION_NAMES, optionEnv } from './options.ts'

const PREFIX = 'WAYBILL_'
/** What is read from the environment apart from options. */
const OTHERS = [
  'WAYBILL_CONFIG',
  'WAYBILL_DEBUG',
  // Of commands that ask the API.
  'WAYBILL_URL',
  'WAYBILL_TOKEN',
  'WAYBILL_TOKEN_FILE',
]

/**
 * Variables that are no option, but nearly: one line each. Others that begin so are no mistake (docs/decisions/0070); the file may
 * refer to some (`source`).
 */
export function unknownVariables(
  env: Readonly<Record<string, string | undefined>>,
  source: string,
): string[] {
  const known = [...OPTION_NAMES.map(optionEnv), ...OTHERS]
  // The prefix would be most of a short name, and all of them have it.
  const byTail = new Map(known.map((name) => [tailOf(name), name]))
  const found: string[] = []
  for (const name of Object.keys(env)) {
    if (!name.startsWith(PREFIX) || known.includes(name) || source.includes(`\${env:${name}}`)) continue
    const meant = byTail.get(nearestName(tailOf(name), byTail.keys()) ?? '')
    if (meant !== undefined) found.push(`${name} in the environment is no option; did you mean "${meant}"?`)
  }
  return found
}

function tailOf(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name
}
