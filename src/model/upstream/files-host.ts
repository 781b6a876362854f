/** A host that serves files of a route's repository under another name: the gateway fetches them for the route's clients. */
export interface FilesHost {
  /** `http:` or `https:` URL without path. */
  readonly origin: string
  /** Name, and port where it is not the scheme's own, in lower case: how it stands in a path at the gateway. */
  readonly host: string
  /** Paths at the host that may be fetched begin so. Starts and ends with '/'. */
  readonly path: string
  /** What is for the route's upstream alone goes there too: its credentials, and what clients send it. */
  readonly auth: boolean
}

/** What stands between a route's path and the name of a files host: `/pypi/~/files.example.com/packages/x.whl`. */
export const FILES_PREFIX = '~/'
const ESCAPED_PREFIX = '%7e/'

/** Where a path below a route leads. */
export interface FilesPlace {
  readonly host: FilesHost
  /** At the host; starts with '/'. */
  readonly path: string
}

/** Whether a path at the gateway asks for a files host, listed or not. `routePath` is that of its route. */
export function asksForFiles(routePath: string, path: string): boolean {
  return filesStart(routePath, path) !== -1
}

/** The listed host that such a path leads to; null when none is meant, or its part of the host is not listed. */
export function filesPlaceOf(
  files: readonly FilesHost[],
  routePath: string,
  path: string,
): FilesPlace | null {
  const start = filesStart(routePath, path)
  if (start === -1) return null
  const slash = path.indexOf('/', start)
  const name = path.slice(start, slash === -1 ? undefined : slash)
  const rest = slash === -1 ? '/' : path.slice(slash)
  const host = hostFor(files, name.toLowerCase().replace('%3a', ':'), rest)
  return host === null ? null : { host, path: rest }
}

/** Index of the host's name in a path; -1 in all others. Some clients escape what need not be: apt the tilde, pip the colon. */
function filesStart(routePath: string, path: string): number {
  const at = routePath.length
  if (path.startsWith(FILES_PREFIX, at)) return at + FILES_PREFIX.length
  return path.slice(at, at + ESCAPED_PREFIX.length).toLowerCase() === ESCAPED_PREFIX
    ? at + ESCAPED_PREFIX.length
    : -1
}

/**
 * The path at the gateway, query and all behind it included, by which a client gets what is at an absolute address; null for one that
 * is on no listed host. It begins with the path of the route, which has to be that of `files`.
 */
export function filesPathOf(files: readonly FilesHost[], routePath: string, address: URL): string | null {
  const { origin, host, pathname, search, hash, username, password } = address
  if (username !== '' || password !== '') return null
  const found = hostFor(files, host, pathname)
  if (found?.origin !== origin) return null
  return `${routePath}${FILES_PREFIX}${host}${pathname}${search}${hash}`
}

function hostFor(files: readonly FilesHost[], name: string, path: string): FilesHost | null {
  let found: FilesHost | null = null
  for (const one of files) {
    if (one.host !== name || !path.startsWith(one.path)) continue
    if (found === null || one.path.length > found.path.length) found = one
  }
  return found
}
