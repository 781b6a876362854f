import type { ArtifactKind, ArtifactRequest, Identity, PackageId } from '../model/artifact/identity.ts'
import { arePlain, decodedSegments } from './identify/decoded.ts'
import { Endings } from './identify/endings.ts'
import { isVersion, versionInFile, versionOfFolder, withoutExtensions } from './identify/file-version.ts'
import { forgeFile, isCommit, type ForgeFile } from './identify/forge.ts'
import { isDigit, verbOf, type Verb } from './identify/paths.ts'
import { ecosystem, NOTHING } from './kind.ts'

export const generic = ecosystem('generic', { identify })

/** What describes the file whose name stands in front. */
const SIDECARS = new Endings(
  (
    '.sha256 .sha512 .sha1 .sha384 .sha224 .md5 .blake3 .b2 .sha256sum .sha512sum .sha1sum .md5sum .digest .minisig ' +
    '.sigstore.json .sigstore .sbom.json .sbom .spdx.json .cdx.json .spdx .intoto.jsonl .intoto .att .provenance'
  ).split(' '),
)
/** Files of their own as well, keys for instance, unless the name in front has an ending. */
const OFTEN_SIDECARS = new Endings(['.asc', '.sig', '.sign', '.gpg', '.pem', '.crt', '.cert', '.bundle'])
/** Lists of checksums: SHA256SUMS, SHASUMS256.txt, checksums.txt, tool_1.0_checksums.txt. */
const CHECKSUMS = /(?:^|[-_.])(?:sha\d*sums?\d*|shasums?\d*|md5sums?|b2sums?|checksums?)(?:\.txt)?$/i
const NO_PACKAGES: ReadonlySet<string> = new Set(['robots.txt', 'favicon.ico'])
/** Refs that are known for one without knowing the repository. */
const BRANCHES: ReadonlySet<string> = new Set(['main', 'master', 'HEAD', 'develop', 'trunk'])

/**
 * Plain files, files of forges, raw repositories: by the first rule that fits. Where a name is a guess, it is the file's, never part of a
 * path that may be anything.
 */
function identify({ method, path }: ArtifactRequest): Identity {
  const verb = verbOf(method)
  if (method === 'PROPFIND') return { kind: 'index', package: null, file: '' }
  if (verb === 'other') return NOTHING
  const segments = decodedSegments(path)
  const file = segments.at(-1) ?? ''
  const described = describes(file)
  const found = ofPackages(segments) ?? ofForge(path, segments) ?? ofFile(method, segments, described ?? file)
  return { kind: kindOf(found.kind, verb, described), package: found.package, file }
}

type Found = Pick<Identity, 'kind' | 'package'>

/** What is read of a release is its file, or what describes its file. */
function kindOf(kind: ArtifactKind, verb: Verb, described: string | null): ArtifactKind {
  if (verb === 'write') return 'upload'
  return kind === 'artifact' && described !== null ? 'metadata' : kind
}

/** Rule 1, package registries of forges: `…/packages/generic/<name>/<version>/<file>`, `…/packages/<owner>/generic/…`. */
function ofPackages(segments: readonly string[]): Found | null {
  const at = segments.indexOf('packages')
  if (at < 1) return null
  const isOwned = segments[at - 1] === 'api' && segments[at + 2] === 'generic'
  if (!isOwned && !(segments[at + 1] === 'generic' && segments[at - 2] === 'projects')) return null
  const [name = '', version = '', ...files] = segments.slice(isOwned ? at + 3 : at + 2)
  if (name === '' || version === '' || files.length === 0 || files[0] === '') return null
  return { kind: 'artifact', package: idOf(name, version) }
}

/** Rules 2 and 3, files of a release and archives of a ref. */
function ofForge(path: string, segments: readonly string[]): Found | null {
  if (!arePlain(path, segments)) return null
  const found = releaseBelow(segments) ?? forgeFile(segments)
  if (found === null || !isSure(segments, found)) return null
  return { kind: found.kind, package: idOf(found.repository.join('/'), found.ref) }
}

/** `…/<owner>/<repository>/releases/{download/<tag>,latest/download}/<file>`, also below a folder for the forge. */
function releaseBelow(segments: readonly string[]): ForgeFile | null {
  const at = segments.indexOf('releases')
  if (at < 3 || segments[0] === 'repos' || segments.includes('-')) return null
  const isDownload = segments[at + 1] === 'download' || segments[at + 2] === 'download'
  return isDownload ? forgeFile(segments.slice(at - 2)) : null
}

/** `/pub/linux/archive/old.zip` looks like a forge's; only refs that look like refs are believed. */
function isSure(segments: readonly string[], { ref, repository }: ForgeFile): boolean {
  if (segments[0] === 'repos' || segments[repository.length] === '-') return true
  const [word = '', second = ''] = segments.slice(repository.length)
  if (second === 'refs' || segments.includes('releases')) return true
  if (word === 'raw' && ref !== second) return true
  return BRANCHES.has(ref) || isVersion(ref) || (isCommit(ref) && ref.length >= 40)
}

/** Rules 4 to 6: by the name of the file that is described, or asked for, and the folder that is a version. */
function ofFile(method: string, segments: readonly string[], described: string): Found {
  const last = segments.at(-1) ?? ''
  const nothing = ofInterface(segments, last)
  if (nothing !== null) return nothing
  // The body of a POST is no file of this name.
  if (last === '' || method === 'POST' || method === 'MKCOL') return { kind: 'index', package: null }
  const isStorage = segments[0] === 'api'
  const found = versionOf(described, versionFolder(segments, isStorage ? 2 : 0))
  return { kind: isStorage ? 'metadata' : 'artifact', package: found }
}

/** The one folder, from the `start`-th on, that is a version; undefined where there is none, or several. */
function versionFolder(segments: readonly string[], start: number): string | undefined {
  let found: string | undefined
  for (let i = start; i < segments.length - 1; i++) {
    const folder = segments[i] ?? ''
    if (!isVersion(folder)) continue
    if (found !== undefined) return undefined
    found = folder
  }
  return found
}

/** What is known to be about no package. */
function ofInterface(segments: readonly string[], last: string): Found | null {
  const [first = '', second = ''] = segments
  if (segments.length === 1 && NO_PACKAGES.has(last)) return { kind: 'other', package: null }
  if (last === 'index.json' || last === 'index.html') return { kind: 'index', package: null }
  if (first === 'api') {
    if (second === 'search') return { kind: 'search', package: null }
    if (second === 'storage' && segments.length > 3 && last !== '') return null
    return { kind: last === 'releases' || second === 'storage' ? 'index' : 'other', package: null }
  }
  const isVersioned = first.startsWith('v') && /^v\d{1,3}$/.test(first) && !last.includes('.')
  return isVersioned && last !== '' ? { kind: 'other', package: null } : null
}

/** Name and version of a file, in the one folder above it that is a version, if there is one. */
function versionOf(file: string, folder: string | undefined): PackageId {
  const found = (folder === undefined ? null : versionOfFolder(file, folder)) ?? versionInFile(file)
  if (found !== null) return idOf(found.name, found.version)
  if (folder === undefined) return idOf(file, '')
  return idOf(CHECKSUMS.test(file) ? file : withoutExtensions(file), folder)
}

/** The name of the file that this one describes; of a list of checksums, its own; null for a file that is itself what is wanted. */
function describes(file: string): string | null {
  if (mayListChecksums(file) && CHECKSUMS.test(file)) return file
  const sidecar = SIDECARS.lengthIn(file)
  if (sidecar > 0 && file.length > sidecar) return file.slice(0, -sidecar)
  const often = OFTEN_SIDECARS.lengthIn(file)
  if (often === 0) return null
  const described = file.slice(0, -often)
  return described.includes('.', 1) ? described : null
}

/** Names of such lists end in `s`, a digit or `.txt`. */
function mayListChecksums(file: string): boolean {
  const code = file.charCodeAt(file.length - 1)
  return (code | 0x20) === 0x73 || (code | 0x20) === 0x74 || isDigit(code) || (code | 0x20) === 0x6d
}

function idOf(name: string, version: string): PackageId {
  return { name, version, qualifiers: '' }
}
