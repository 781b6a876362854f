import { verbOf } from './paths.ts'
import type { ArtifactRequest, Identity } from '../../model/artifact/identity.ts'

/** How repository managers call a format in paths: `/api/<format>/…`, `/packages/<format>/…`. */
export type Formats = readonly string[]

/** Characters that stand for themselves when they are escaped (RFC 3986 §2.3). */
const UNRESERVED = /%(?:2d|2e|3\d|4[1-9a-f]|5[\daf]|6[1-9a-f]|7[\dae])/gi
const PERCENT = 0x25
/** A path of a repository manager's own, which is about no repository. */
const OWN = -1

/**
 * The request as the repository gets it that a repository manager has below a folder; the same where the path has no such folder. Null for a
 * path of the manager's own interface. The folders of Nexus, Artifactory, Gitea, Forgejo and GitLab, where a route leads to their root.
 */
export function insideRepository(request: ArtifactRequest, formats: Formats): ArtifactRequest | null {
  const { path } = request
  if (!mayBeLayout(path)) return request
  const plain = path.includes('%') ? path.replaceAll(UNRESERVED, unescaped) : path
  const start = startOfRepository(plain, formats)
  if (start === OWN) return null
  return start === 0 ? request : { ...request, path: plain.slice(start) }
}

/** What a request for the manager's own interface is. */
export function aboutManager(method: string): Identity {
  return { kind: verbOf(method) === 'write' ? 'upload' : 'other', package: null, file: '' }
}

function unescaped(escape: string): string {
  return String.fromCharCode(Number.parseInt(escape.slice(1), 16))
}

/** Whether the first folder may be a manager's, by its first three characters: nearly no path gets beyond. */
function mayBeLayout(path: string): boolean {
  switch (path.charCodeAt(1)) {
    case 0x61: // artifactory, api
      return startsWith(path, 0x72, 0x74) || startsWith(path, 0x70, 0x69)
    case 0x63: // content
      return startsWith(path, 0x6f, 0x6e)
    case 0x6e: // nexus
      return startsWith(path, 0x65, 0x78)
    case 0x72: // repository
      return startsWith(path, 0x65, 0x70)
    case 0x73: // service
      return startsWith(path, 0x65, 0x72)
    default:
      return path.charCodeAt(1) === PERCENT
  }
}

/** Whether these are the second and the third character of the first folder; any of them may be escaped. */
function startsWith(path: string, second: number, third: number): boolean {
  const [one, two] = [path.charCodeAt(2), path.charCodeAt(3)]
  return (one === second && (two === third || two === PERCENT)) || one === PERCENT
}

/** Where the paths of a repository begin, with a slash: 0 for none in front. */
function startOfRepository(path: string, formats: Formats): number {
  const start = path.startsWith('/nexus/') ? '/nexus'.length : 0
  switch (path.charCodeAt(start + 1)) {
    case 0x61: // a
      if (path.startsWith('/api/')) return ofInterface(path, formats)
      return path.startsWith('/artifactory/') ? ofArtifactory(path, '/artifactory'.length, formats) : 0
    case 0x63: // c
      if (path.startsWith('/content/groups/', start))
        return behindName(path, start + '/content/groups'.length)
      if (!path.startsWith('/content/repositories/', start)) return 0
      return behindName(path, start + '/content/repositories'.length)
    case 0x72: // r
      if (!path.startsWith('/repository/', start)) return 0
      return behindName(path, start + '/repository'.length)
    case 0x73: // s
      return path.startsWith('/service/rest/', start) || path.startsWith('/service/local/', start) ? OWN : 0
    default:
      return 0
  }
}

/** Behind the one segment that begins at this slash, if another follows; else 0: what begins with `-` or `@` is no repository's name. */
function behindName(path: string, slash: number): number {
  const code = path.charCodeAt(slash + 1)
  if (code === 0x2d || code === 0x40 || code === 0x2f || code === 0x2e) return 0
  return Math.max(path.indexOf('/', slash + 1), 0)
}

/** `/artifactory/<repository>/…`, `/artifactory/api/<format>/<repository>/…`. */
function ofArtifactory(path: string, start: number, formats: Formats): number {
  if (!path.startsWith('/api/', start)) return behindName(path, start)
  const format = behindFormat(path, start + '/api/'.length, formats)
  return format === 0 ? OWN : behindName(path, format)
}

/** Below `/api/`: as Artifactory has it without its own folder, then as forges do. */
function ofInterface(path: string, formats: Formats): number {
  if (path.startsWith('/api/packages/')) return ofForge(path, '/api/packages'.length, formats)
  if (path.startsWith('/api/v4/')) return ofProject(path, '/api/v4'.length, formats)
  const format = behindFormat(path, '/api/'.length, formats)
  return format === 0 ? 0 : behindName(path, format)
}

/** `/api/packages/<owner>/<format>/…` */
function ofForge(path: string, start: number, formats: Formats): number {
  const owner = behindName(path, start)
  return owner === 0 ? OWN : behindFormat(path, owner + 1, formats) || OWN
}

/** `/api/v4/[projects/<id>/|groups/<id>/-/]packages/<format>/…` */
function ofProject(path: string, start: number, formats: Formats): number {
  let at = start
  if (path.startsWith('/projects/', at)) at = behindName(path, at + '/projects'.length)
  else if (path.startsWith('/groups/', at)) {
    at = behindName(path, at + '/groups'.length)
    if (!path.startsWith('/-/', at)) return OWN
    at += '/-'.length
  }
  if (at === 0 || !path.startsWith('/packages/', at)) return OWN
  return behindFormat(path, at + '/packages/'.length, formats) || OWN
}

/** The slash behind the format that stands at `start`; 0 where that is none of these. NuGet's may say its version first. */
function behindFormat(path: string, start: number, formats: Formats): number {
  for (const format of formats) {
    if (path.startsWith(format, start) && path.charCodeAt(start + format.length) === 0x2f) {
      return start + format.length
    }
  }
  return 0
}
