import { isRepository } from '../model/artifact/oci-name.ts'
import type { Route } from '../model/route.ts'

/** At these names below `/v2/` the gateway answers itself. */
const OWN_NAMES: ReadonlySet<string> = new Set(['token'])

/** What is wrong with routes of kind `oci`: clients of registries ask below `/v2/` of a host, and know no other prefix. */
export function ociProblems(routes: readonly Route[]): string[] {
  const problems: string[] = []
  for (const { kind, name, path, upstream } of routes) {
    if (kind !== 'oci') continue
    const problem = pathProblem(path)
    if (problem !== null) problems.push(`routes (${name}).path: ${problem}`)
    if (!upstream.path.includes('/v2/'))
      problems.push(
        `routes (${name}).upstream: the API of a registry is below /v2/: write ${upstream.origin}${upstream.path}v2/`,
      )
  }
  return problems
}

function pathProblem(path: string): string | null {
  if (path === '/v2/') return null
  const below = path.startsWith('/v2/') ? path.slice('/v2/'.length, -1) : ''
  if (!isRepository(below))
    return 'clients of registries ask below /v2/, in lower case: write /v2/<name>/, whose images are <gateway>/<name>/…; or /v2/, best with host:, whose images are <host>/…'
  return OWN_NAMES.has(below)
    ? `the gateway itself answers at ${path.slice(0, -1)}: write another name`
    : null
}
