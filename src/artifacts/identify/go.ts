import type { ArtifactRequest, Identity } from '../../model/artifact/identity.ts'
import { decodePercent } from '../../lib/percent.ts'
import { about, aboutNone, isSemver, kindBy, lastIndexIn, lastPlaceOf } from './paths.ts'

const VERSIONS = '/@v/'
const LATEST = '/@latest'
const CHECKSUMS = '/sumdb/'
const LOOKUP = '/lookup/'
/** An upper-case letter of a path is written as this and its lower-case one (golang.org/ref/mod#module-proxy). */
const CAPITAL = '!'

/** Paths of the GOPROXY protocol (https://go.dev/ref/mod#goproxy-protocol), and of a checksum database behind it. */
export function identifyGo({ method, path, query }: ArtifactRequest): Identity {
  const decoded = decodePercent(path)
  const versions = lastPlaceOf(decoded, VERSIONS)
  if (versions !== -1) {
    return identifyVersion(method, moduleIn(decoded, versions), decoded.slice(versions + VERSIONS.length))
  }
  if (decoded.endsWith(LATEST)) {
    return identityOf(kindBy(method, 'index'), moduleIn(decoded, decoded.length - LATEST.length))
  }
  const sumdb = decoded.indexOf(CHECKSUMS)
  if (sumdb !== -1) return identifyChecksum(decoded, sumdb)
  // A server of modules tells where their repository is.
  if (query.includes('go-get=1')) return identityOf('other', moduleIn(decoded, decoded.length))
  return aboutNone(kindBy(method, 'other'))
}

/** What stands behind `/@v/`. What is asked for by branch, commit or `v1` has no version yet. */
function identifyVersion(method: string, module: string | null, file: string): Identity {
  if (file === 'list') return identityOf(kindBy(method, 'index'), module)
  const dot = lastIndexIn(file, '.')
  const kind = kindOfFile(file.slice(dot + 1))
  if (kind === null || dot <= 0) return identityOf(kindBy(method, 'other'), module)
  return identityOf(kindBy(method, kind), module, versionOf(file.slice(0, dot)), file)
}

function kindOfFile(ending: string): 'artifact' | 'metadata' | null {
  if (ending === 'zip') return 'artifact'
  return ending === 'mod' || ending === 'info' || ending === 'ziphash' ? 'metadata' : null
}

/** `/sumdb/<database>/lookup/<module>@<version>`; tiles and the latest tree are about no module. */
function identifyChecksum(path: string, sumdb: number): Identity {
  const database = path.indexOf('/', sumdb + CHECKSUMS.length)
  if (database === -1 || !path.startsWith(LOOKUP, database)) return aboutNone('other')
  const at = lastIndexIn(path, '@')
  const module = unescaped(path.slice(database + LOOKUP.length, at))
  return identityOf('metadata', at === -1 ? null : module, versionOf(path.slice(at + 1)))
}

function identityOf(kind: Identity['kind'], module: string | null, version = '', file = ''): Identity {
  return module === null ? aboutNone(kind, file) : about(kind, module, version, file)
}

/**
 * The module whose path ends at `end`; null for none. The first segment of a module that can be fetched has a dot ("Module paths"), so
 * folders of a repository manager in front of it are left out.
 */
function moduleIn(path: string, end: number): string | null {
  const dot = path.indexOf('.')
  if (dot === -1 || dot >= end) return null
  return unescaped(path.slice(lastIndexIn(path, '/', dot) + 1, end))
}

function versionOf(text: string): string {
  const version = unescaped(text)
  return version !== null && version.startsWith('v') && isSemver(version, 1) ? version : ''
}

/** The text with its capitals; null where a `!` stands before anything but a lower-case letter. */
function unescaped(text: string): string | null {
  let mark = text.indexOf(CAPITAL)
  if (mark === -1) return text
  let plain = ''
  let start = 0
  for (; mark !== -1; mark = text.indexOf(CAPITAL, start)) {
    const code = text.charCodeAt(mark + 1)
    if (!(code >= 0x61 && code <= 0x7a)) return null
    plain += text.slice(start, mark) + String.fromCharCode(code - 0x20)
    start = mark + 2
  }
  return plain + text.slice(start)
}
