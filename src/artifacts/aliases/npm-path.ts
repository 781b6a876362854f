import type { Route } from '../../model/route.ts'

/** A file of a package, by the path below a registry's own. */
const FILE = /^(?:@[^/]+\/)?[^/@][^/]*\/-\/[^/]+\.tgz$/

/**
 * npm with `replace-registry-host` asks for what an old lock file names at the gateway's host, below the route, but by the upstream's own
 * path: `<route>repository/npm-all/left-pad/-/left-pad-1.0.0.tgz`. Gives the path of that file below the route, and every other path as it
 * is. No package is named so: a name has one segment, or two that begin with '@'.
 */
export function npmPath({ path: prefix, upstream: { path: base } }: Route, path: string): string {
  if (base.length === 1 || base.startsWith('/@') || !path.startsWith(base.slice(1), prefix.length))
    return path
  const rest = path.slice(prefix.length + base.length - 1)
  return FILE.test(rest) ? prefix + rest : path
}
