import { decodePercent } from '../../lib/percent.ts'
import { isRepository } from './oci-name.ts'

/** A query that names neither, however spelled, needs no closer look. */
const SUSPECT = /mount|from|%/i
/** How servers of any language could read a name as one of both: `From`, ` mount`, `from[]`. What is encoded twice is nobody's either. */
const MOUNT_OR_FROM = /^[\s\0]*(?:mount|from)(?![\w-])|%/i
/** Image specification, "Digests". */
const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]{1,256}$/

/**
 * The query of a request that may begin an upload, with `mount` and `from` (OCI distribution specification, "Mounting a blob from another
 * repository") as the upstream is to see them. `nameOf` gives the upstream's name of the repository that a client names so, and null for one
 * that the client may not read. Both are left out where it is null, where one of them is missing (a registry that finds the blob by itself
 * finds it in any repository), repeated, or spelled so that two servers could read it in two ways. All else stays as received.
 */
export function mountQuery(query: string, nameOf: (from: string) => string | null): string {
  if (!SUSPECT.test(query)) return query
  const kept: string[] = []
  let found = 0
  let mount = ''
  let from: string | null = null
  let fromAt = -1
  let mountAt = -1
  // A semicolon separates too, for some servers.
  for (const pair of query.slice(1).split(/[&;]/)) {
    const equals = pair.indexOf('=')
    const name = decoded(equals === -1 ? pair : pair.slice(0, equals))
    if (MOUNT_OR_FROM.test(name)) {
      found++
      const value = equals === -1 ? '' : decoded(pair.slice(equals + 1))
      if (name === 'mount') [mount, mountAt] = [value, kept.push('') - 1]
      if (name === 'from') [from, fromAt] = [value, kept.push('') - 1]
    } else kept.push(pair)
  }
  if (found === 0) return query
  const isPair = found === 2 && mountAt !== -1 && from !== null && DIGEST.test(mount) && isRepository(from)
  const upstreamName = isPair && from !== null ? nameOf(from) : null
  if (upstreamName !== null) {
    kept[mountAt] = `mount=${encodeURIComponent(mount)}`
    kept[fromAt] = `from=${encodeURIComponent(upstreamName)}`
  }
  const rest = kept.filter((pair) => pair !== '').join('&')
  return rest === '' ? '' : `?${rest}`
}

/** As forms are read. */
function decoded(text: string): string {
  return decodePercent(text.replaceAll('+', ' '))
}
