import type { ArtifactRequest, Identity } from '../../model/artifact/identity.ts'
import { decodePercent } from '../../lib/percent.ts'
import { about, aboutNone, charsWith, consistsOf, isAlphanumeric, isSemver, kindBy } from './paths.ts'
import { lastIndexIn, lastSegment, segmentsOf, startOfVersion } from './paths.ts'

const NAME = charsWith('-_')
const CRATE = '.crate'
const DOWNLOAD = '/download'
/** The web API is at `/api/v1`, in some repository managers at `/v1`. */
const CRATES = '/v1/crates'
/** Below it: name, version or a list, what of that version. */
const MAX_CALL_SEGMENTS = 3

/**
 * Paths of a cargo registry: index (https://doc.rust-lang.org/cargo/reference/registry-index.html), web API (…/registry-web-api.html), and
 * downloads as the `dl` templates of registries write them. An index has its names in lower case, a download has the crate's own spelling.
 */
export function identifyCargo({ method, path, query }: ArtifactRequest): Identity {
  const decoded = decodePercent(path)
  const last = lastSegment(decoded)
  if (last === 'config.json') return aboutNone(kindBy(method, 'other'))
  if (last.endsWith(CRATE)) return identifyFile(method, decoded, last)
  const git = identifyGit(decoded, query)
  if (git !== null) return git
  const crates = lastIndexIn(decoded, CRATES)
  if (crates !== -1) {
    const rest = decoded.slice(crates + CRATES.length)
    if (rest === '' || rest.startsWith('/')) return identifyCall(method, rest)
  }
  if (last === 'me') return aboutNone('login')
  return identifyDownload(method, decoded) ?? identifyIndexFile(method, decoded, last)
}

/** Of an index in a git repository: its smart and its dumb protocol. */
function identifyGit(path: string, query: string): Identity | null {
  if (path.endsWith('/git-receive-pack')) return aboutNone('upload')
  if (path.endsWith('/info/refs')) {
    return aboutNone(query.includes('service=git-receive-pack') ? 'upload' : 'index')
  }
  return path.endsWith('/git-upload-pack') || path.includes('.git/') ? aboutNone('index') : null
}

/** `…/name-version.crate`: a folder named after the crate tells where its name ends. */
function identifyFile(method: string, path: string, file: string): Identity {
  const kind = kindBy(method, 'artifact')
  const stem = file.slice(0, -CRATE.length)
  const end = path.length - file.length - 1
  const folder = end > 0 ? path.slice(lastIndexIn(path, '/', end - 1) + 1, end) : ''
  const isOwn = folder !== '' && stem.startsWith(folder) && stem[folder.length] === '-'
  const start = isOwn && isSemver(stem, folder.length + 1) ? folder.length + 1 : startOfVersion(stem, false)
  const name = stem.slice(0, start - 1)
  return start !== -1 && isName(name) ? about(kind, name, stem.slice(start), file) : aboutNone(kind, file)
}

/** What stands behind `/v1/crates`. */
function identifyCall(method: string, rest: string): Identity {
  const [name, second, third] = segmentsOf(rest, MAX_CALL_SEGMENTS) ?? ['']
  if (name === undefined) return aboutNone(kindBy(method, 'search'))
  if (!isName(name) || (name === 'new' && method === 'PUT')) return aboutNone(kindBy(method, 'other'))
  if (second === undefined || second === 'versions') return about(kindBy(method, 'index'), name)
  if (!isSemver(second)) return about(kindBy(method, 'other'), name)
  if (third === 'download') return about(kindBy(method, 'artifact'), name, second)
  return about(kindBy(method, third === 'downloads' ? 'other' : 'metadata'), name, second)
}

/** `…/name/version/download`, `…/name/version`. */
function identifyDownload(method: string, path: string): Identity | null {
  const end = path.endsWith(DOWNLOAD) ? path.length - DOWNLOAD.length : path.length
  const middle = lastIndexIn(path, '/', end - 1)
  const start = lastIndexIn(path, '/', middle - 1)
  if (middle <= 0 || !isSemver(path.slice(middle + 1, end))) return null
  const name = path.slice(start + 1, middle)
  return isName(name) ? about(kindBy(method, 'artifact'), name, path.slice(middle + 1, end)) : null
}

/** `…/1/a`, `…/2/ab`, `…/3/a/abc`, `…/ab/cd/abcdef`. */
function identifyIndexFile(method: string, path: string, last: string): Identity {
  const name = last.toLowerCase()
  const folders = path.slice(0, path.length - last.length - 1).toLowerCase()
  return isName(name) && `/${folders}`.endsWith(`/${foldersOf(name)}`)
    ? about(kindBy(method, 'index'), name)
    : aboutNone(kindBy(method, 'other'))
}

function foldersOf(name: string): string {
  if (name.length > 3) return `${name.slice(0, 2)}/${name.slice(2, 4)}`
  return name.length === 3 ? `3/${name[0]}` : `${name.length}`
}

/** Begins with a letter or digit; goes on with those, dashes and underscores. */
function isName(name: string): boolean {
  return isAlphanumeric(name.charCodeAt(0)) && consistsOf(name, NAME)
}
