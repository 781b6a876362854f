import type { ArtifactRequest, Identity } from '../../model/artifact/identity.ts'
import { decodePercent } from '../../lib/percent.ts'
import { about, aboutNone, charsWith, consistsOf, endOfCore, kindBy } from './paths.ts'
import { lastIndexIn, lastPlaceOf, lastSegment, segmentAt } from './paths.ts'

const AT = 0x40
/** In front of a package's files and of the registry's API; no package can hide it, as `-` is a segment of its own. */
const MARK = '/-/'
/** Behind it stands the revision that a write replaces. */
const REVISION = '/-rev/'
/** Marks of names besides letters and digits; `~'!()*` are in old names only. */
const NAME = charsWith("-_.~'!()*")
const VERSION = charsWith('-._+')
/** Packages that are called as the folders that servers have a registry in. */
const FOLDERS: ReadonlySet<string> = new Set(
  'verdaccio npm npm-all registry repository artifactory nexus api'.split(' '),
)

/**
 * Paths of an npm registry (https://github.com/npm/registry, docs/REGISTRY-API.md; clients in `corpus/npm.tsv`). An escaped slash is a slash,
 * as some clients write `@scope%2fname` and others `@scope/name`.
 */
export function identifyNpm({ method, path }: ArtifactRequest): Identity {
  const decoded = decodePercent(path)
  // What marks and revisions begin with; most requests are for a package by its name.
  if (!decoded.includes('/-')) return identifyPackage(method, decoded)
  const revision = decoded.indexOf(REVISION)
  const clean = revision === -1 ? decoded : decoded.slice(0, revision)
  const mark = lastPlaceOf(clean, MARK)
  if (mark === -1) return identifyPackage(method, clean)
  return clean.endsWith('.tgz') && mark > 0
    ? identifyTarball(method, clean, mark)
    : identifyCall(method, clean.slice(mark + MARK.length))
}

/** `/name`, `/name/version`, `/name/tag`. */
function identifyPackage(method: string, path: string): Identity {
  const scope = path.indexOf('/@')
  const start = scope === -1 ? 1 : scope + 1
  const end = endOfName(path, start)
  const name = path.slice(start, end)
  // What begins with an underscore is CouchDB's: `_changes`, `_all_docs`.
  if (!isName(name) || (name.startsWith('_') && name.length > 1)) return aboutNone(kindBy(method, 'other'))
  const rest = path.endsWith('/') ? path.slice(end + 1, -1) : path.slice(end + 1)
  if (rest === '') return about(kindBy(method, 'index'), name)
  const slash = rest.indexOf('/')
  if (slash === -1) return identifyVersion(method, name, rest)
  // A package registry that keeps tarballs apart: `/download/@scope/name/version/<digest>`.
  const isDownload = scope === '/download'.length && path.startsWith('/download/')
  if (isDownload) return about(kindBy(method, 'artifact'), name, versionOf(rest.slice(0, slash)))
  return aboutNone(kindBy(method, 'other'))
}

/** `/name/version`, `/name/tag`; or a package below a folder of a server, whose name is also that of a package. */
function identifyVersion(method: string, name: string, rest: string): Identity {
  const version = versionOf(rest)
  const isSure = version !== '' || rest === 'latest' || !FOLDERS.has(name)
  return isSure ? about(kindBy(method, 'metadata'), name, version) : aboutNone(kindBy(method, 'other'))
}

/** `…/name/-/base-version.tgz`, where the scope may be repeated, or a folder named after the version, in front of the file. */
function identifyTarball(method: string, path: string, mark: number): Identity {
  const kind = kindBy(method, 'artifact')
  const file = lastSegment(path)
  const start = lastIndexIn(path, '/', mark - 1)
  const base = path.slice(start + 1, mark)
  const scope = lastIndexIn(path, '/', start - 1) + 1
  // One part of the path: two that are put together would be copied when they are read.
  const name = start > 0 && path.charCodeAt(scope) === AT ? path.slice(scope, mark) : base
  if (!isName(name)) return aboutNone(kind, file)
  const isOwn = file.startsWith(base) && file[base.length] === '-'
  return about(kind, name, isOwn ? versionOf(file.slice(base.length + 1, -'.tgz'.length)) : '', file)
}

/** What stands behind `/-/`: the registry's API. */
function identifyCall(method: string, call: string): Identity {
  switch (segmentAt(call, 0)) {
    case 'whoami':
    case 'user':
    case 'login':
      return aboutNone('login')
    case 'v1':
      return aboutNone(segmentAt(call, 3) === 'search' ? 'search' : 'login')
    case 'all':
      return aboutNone('search')
    case 'package':
      return identifyPackageCall(method, call.slice('package/'.length))
    case 'npm':
      return identifyVersionedCall(call)
    default:
      return aboutNone('other')
  }
}

/** `/-/package/<name>/dist-tags/<tag>`, `…/collaborators`, `…/access`. */
function identifyPackageCall(method: string, rest: string): Identity {
  const end = endOfName(rest, 0)
  const name = rest.slice(0, end)
  if (!isName(name)) return aboutNone('other')
  return about(kindBy(method, segmentAt(rest, end + 1) === 'dist-tags' ? 'index' : 'other'), name)
}

const ATTESTATIONS = 'npm/v1/attestations/'
const EXCHANGE = 'npm/v1/oidc/token/exchange/package/'

function identifyVersionedCall(call: string): Identity {
  if (call.startsWith(ATTESTATIONS)) {
    const at = lastIndexIn(call, '@')
    const name = call.slice(ATTESTATIONS.length, at)
    return isName(name) ? about('metadata', name, versionOf(call.slice(at + 1))) : aboutNone('metadata')
  }
  if (call.startsWith(EXCHANGE)) {
    const name = call.slice(EXCHANGE.length)
    return isName(name) ? about('login', name) : aboutNone('login')
  }
  const topic = segmentAt(call, 'npm/v1/'.length)
  return aboutNone(topic === 'tokens' || topic === 'user' ? 'login' : 'other')
}

/** Where the name ends that begins at `start`: a scope and a slash belong to it. */
function endOfName(text: string, start: number): number {
  const slash = text.indexOf('/', start)
  const end = slash !== -1 && text[start] === '@' ? text.indexOf('/', slash + 1) : slash
  return end === -1 ? text.length : end
}

function isName(name: string): boolean {
  if (name.charCodeAt(0) !== AT) return consistsOf(name, NAME)
  const slash = name.indexOf('/')
  return slash !== -1 && consistsOf(name, NAME, 1, slash) && consistsOf(name, NAME, slash + 1)
}

/** The text, if it is a version; '' for a tag or a range. Old versions have no dash in front of what follows the numbers: `1.0.0beta`. */
function versionOf(text: string): string {
  const end = endOfCore(text, 0)
  return end !== -1 && text[end] !== '.' && consistsOf(text, VERSION) ? text : ''
}
