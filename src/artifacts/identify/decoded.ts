import { decodePercent } from '../../lib/percent.ts'

/** What a method does to the file that its path names. */
export type Verb = 'read' | 'write' | 'other'

/** Methods of HTTP and WebDAV (RFC 4918) that change what they name; nothing is told of others. */
const WRITES: ReadonlySet<string> = new Set(['PUT', 'POST', 'PATCH', 'DELETE', 'MKCOL', 'COPY', 'MOVE'])

export function verbOf(method: string): Verb {
  if (method === 'GET' || method === 'HEAD') return 'read'
  return WRITES.has(method) ? 'write' : 'other'
}

/**
 * The segments of a path that starts with '/', decoded; the last is '' for a path that ends with '/'. Parameters behind a `;` in the last
 * one, which repository managers take with uploads, are left out.
 */
export function decodedSegments(path: string): string[] {
  const slash = path.lastIndexOf('/')
  const semicolon = path.indexOf(';', slash)
  const segments = (semicolon === -1 ? path.slice(1) : path.slice(1, semicolon)).split('/')
  if (!path.includes('%')) return segments
  for (const [i, segment] of segments.entries()) {
    if (segment.includes('%')) segments[i] = decodePercent(segment)
  }
  return segments
}

/** The one value of a parameter, decoded; null where the query (with its '?') has none or several. */
export function parameterOf(query: string, name: string): string | null {
  if (!query.includes(name)) return null
  let value: string | null = null
  for (const pair of query.slice(1).split('&')) {
    if (!pair.startsWith(name) || pair[name.length] !== '=') continue
    if (value !== null) return null
    value = decodePercent(pair.slice(name.length + 1).replaceAll('+', ' '))
  }
  return value
}

/** Whether no segment can be read as several or as none: none holds a slash, is `.` or `..`, or, but for the last, empty. */
export function arePlain(segments: readonly string[]): boolean {
  const last = segments.length - 1
  for (const [i, segment] of segments.entries()) {
    if (segment === '' ? i !== last : segment === '.' || segment === '..' || segment.includes('/'))
      return false
  }
  return true
}
