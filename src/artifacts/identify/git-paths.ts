import type { ArtifactKind, ArtifactRequest, Identity, PackageId } from '../../model/artifact/identity.ts'
import { arePlain, decodedSegments, parameterOf } from './decoded.ts'
import { forgeFile } from './forge.ts'
import { verbOf } from './paths.ts'

/** Git LFS names objects by the SHA-256 of their bytes. */
const OBJECT_ID = /^[0-9a-f]{64}$/
/** Where forges send those who are not logged in. */
const LOGIN_PAGES: ReadonlySet<string> = new Set(['users/sign_in', 'user/login', 'login', 'session'])
/** What forges have pages and files of a repository under: what follows is a path in the repository, which may be called anything. */
function isPage(segment: string): boolean {
  switch (segment.charCodeAt(0)) {
    case 0x2d: // -
      return segment === '-'
    case 0x62: // b
      return segment === 'blob' || segment === 'blame'
    case 0x63: // c
      return segment === 'commits'
    case 0x6d: // m
      return segment === 'media'
    case 0x72: // r
      return segment === 'raw'
    case 0x73: // s
      return segment === 'src'
    case 0x74: // t
      return segment === 'tree'
    default:
      return false
  }
}

/** What a path of a git server is, and how many of its first segments name the repository. */
interface Found {
  readonly kind: ArtifactKind
  readonly end: number
  readonly isFile: boolean
}

/**
 * Git's smart and dumb protocols (gitprotocol-http), Git LFS, and what forges offer of a repository as files. Which refs and commits are
 * fetched stands in bodies: only archives and raw files have a version.
 */
export function identifyGit(request: ArtifactRequest): Identity {
  const segments = decodedSegments(request.path)
  const last = segments.at(-1) ?? ''
  if (!arePlain(request.path, segments))
    return { kind: kindOfPage(request.method, ''), package: null, file: '' }
  const found = ofProtocol(request, segments, last) ?? ofLfs(request.method, segments, last)
  if (found !== null) {
    return {
      kind: found.kind,
      package: packageOf(request.origin, segments, found.end, ''),
      file: found.isFile ? last : '',
    }
  }
  return ofPage(request, segments, last)
}

/** The two halves of fetch and push, and the files of the dumb protocol. */
function ofProtocol(
  { method, query }: ArtifactRequest,
  segments: readonly string[],
  last: string,
): Found | null {
  const count = segments.length
  const isPost = method === 'POST'
  const isRead = verbOf(method) === 'read'
  if (last === 'git-upload-pack') return about(isPost ? 'artifact' : 'other', count - 1)
  if (last === 'git-receive-pack') return about(isPost ? 'upload' : 'other', count - 1)
  if (last === 'git-upload-archive') return about('other', count - 1)
  if (!isRead) return null
  const isRefs = last === 'refs' && segments[count - 2] === 'info'
  if (isRefs && query.startsWith('?service=')) return about(kindOfRefs(query), count - 2)
  if (isInPages(segments)) return null
  if (isRefs) return about(kindOfRefs(query), count - 2)
  if (last === 'HEAD') return about('index', count - 1)
  if (segments[count - 3] !== 'objects') return null
  const folder = segments[count - 2] ?? ''
  if (folder === 'info') return about('index', count - 3)
  if (folder === 'pack' && last.startsWith('pack-')) {
    return about(last.endsWith('.pack') ? 'artifact' : 'metadata', count - 3, true)
  }
  return /^[0-9a-f]{2}$/.test(folder) && /^[0-9a-f]{38,62}$/.test(last)
    ? about('artifact', count - 3, true)
    : null
}

function kindOfRefs(query: string): ArtifactKind {
  if (query === '') return 'index'
  const service = parameterOf(query, 'service')
  if (service === 'git-receive-pack') return 'upload'
  return service === null || service === 'git-upload-pack' ? 'index' : 'other'
}

/** `<repository>/info/lfs/…`: batches, objects, locks. */
function ofLfs(method: string, segments: readonly string[], last: string): Found | null {
  const count = segments.length
  let at = count - 2
  while (at >= 0 && !(segments[at] === 'info' && segments[at + 1] === 'lfs')) at--
  // An address of LFS that was configured by hand.
  if (at < 0) {
    return method === 'POST' && last === 'batch' && segments[count - 2] === 'objects'
      ? about('metadata', count - 2)
      : null
  }
  const isObjects = segments[at + 2] === 'objects'
  const depth = count - at - 3
  if (isObjects && method === 'POST' && (depth === 0 || (depth === 1 && last === 'batch'))) {
    return about('metadata', at)
  }
  if (!isObjects || depth !== 1 || !OBJECT_ID.test(last)) return about('other', at)
  const verb = verbOf(method)
  return about(verb === 'write' ? 'upload' : verb === 'read' ? 'artifact' : 'other', at, true)
}

/** Files that a forge makes, pages, and its interface. */
function ofPage(
  { method, query, origin }: ArtifactRequest,
  segments: readonly string[],
  last: string,
): Identity {
  const verb = verbOf(method)
  const file = verb === 'read' ? forgeFile(segments) : null
  if (file !== null) {
    return {
      kind: file.kind,
      package: packageOf(origin, file.repository, file.repository.length, file.ref),
      file: last,
    }
  }
  const kind = kindOfPage(method, segments.join('/'))
  const end = last === '' ? segments.length - 1 : segments.length
  if (segments[end - 1]?.endsWith('.git') && !isInPages(segments)) {
    return { kind, package: packageOf(origin, segments, end, ''), file: '' }
  }
  // `go get` asks a page where its repository is: this one, if it is no folder in it.
  const isModule = segments.length === 2 && parameterOf(query, 'go-get') === '1'
  return { kind, package: isModule ? packageOf(origin, segments, segments.length, '') : null, file: '' }
}

function kindOfPage(method: string, path: string): ArtifactKind {
  if (verbOf(method) === 'write') return 'upload'
  return LOGIN_PAGES.has(path) ? 'login' : 'other'
}

/** Whether a path may be one within a repository, so that its end tells nothing. */
function isInPages(segments: readonly string[]): boolean {
  for (let i = 1; i < segments.length; i++) if (isPage(segments[i] ?? '')) return true
  return false
}

function about(kind: ArtifactKind, end: number, isFile = false): Found {
  return { kind, end, isFile }
}

/** Host and path of a repository, whose segments are the first `end`, without `.git`; null where the path names none. */
function packageOf(
  origin: string,
  segments: readonly string[],
  end: number,
  version: string,
): PackageId | null {
  if (end === 0) {
    // A route may lead to one repository.
    return origin.includes('/') ? { name: withoutGit(origin), version, qualifiers: '' } : null
  }
  let name = origin
  for (let i = 0; i < end; i++) {
    const segment = segments[i] ?? ''
    const part = i === end - 1 ? withoutGit(segment) : segment
    name = i === 0 && origin === '' ? part : `${name}/${part}`
  }
  return { name, version, qualifiers: '' }
}

function withoutGit(name: string): string {
  return name.endsWith('.git') ? name.slice(0, -'.git'.length) : name
}
