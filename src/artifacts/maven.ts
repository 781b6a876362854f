import type { ArtifactKind, ArtifactRequest, Identity, PackageId } from '../model/artifact/identity.ts'
import { encode } from '../model/artifact/purl.ts'
import { arePlain, decodedSegments, verbOf } from './identify/decoded.ts'
import { ecosystem, NOTHING } from './kind.ts'

export const maven = ecosystem('maven', { identify })

/** What describes the file whose name stands in front: checksums, signatures (Maven, "Repository Layout" and the GPG and Sigstore plugins). */
const SIDECARS = ['.sha1', '.md5', '.sha256', '.sha512', '.asc', '.sigstore.json', '.sigstore']
/** A checksum of a signature of a file is the most that is there. */
const MAX_SIDECARS = 2
/** Types that describe a version and are not put on a class path. */
const METADATA_TYPES: ReadonlySet<string> = new Set([
  'pom',
  'module',
  'buildinfo',
  'buildcompare',
  'spdx.json',
  'cdx.json',
])
/** Lists of a whole repository, of its folders and of its indexer. */
const INDEX_FOLDERS: ReadonlySet<string> = new Set(['.index', '.meta', '.nexus'])
const SNAPSHOT = '-SNAPSHOT'

/**
 * The Maven 2 repository layout: group (its dots are slashes), artifact, version, and in it `artifact-version[-classifier].type`. The
 * version's folder says where the file name splits, so no guess is needed; a file that does not begin so is only in the folder.
 */
function identify({ method, path }: ArtifactRequest): Identity {
  const verb = verbOf(method)
  if (verb === 'other') return NOTHING
  const segments = decodedSegments(path)
  const last = segments.at(-1) ?? ''
  const found = identifyRead(segments, last)
  const kind = verb === 'write' ? 'upload' : found.kind
  return { kind, package: found.package, file: last }
}

function identifyRead(segments: readonly string[], last: string): Omit<Identity, 'file'> {
  const folders = segments.length - 1
  if (INDEX_FOLDERS.has(segments[0] ?? '') || (folders === 0 && isCatalog(last)))
    return { kind: 'index', package: null }
  if (!arePlain(segments)) return { kind: 'other', package: null }
  if (last === '') return { kind: 'index', package: ofFolder(segments, folders) }
  if (isList(last)) return { kind: 'index', package: ofList(segments, folders) }
  if (folders < 3) return { kind: 'other', package: null }
  return ofFile(segments, last)
}

function isCatalog(file: string): boolean {
  return file.startsWith('archetype-catalog.xml')
}

/** `maven-metadata.xml`, `maven-metadata-<repository>.xml` and their checksums. */
function isList(file: string): boolean {
  return file.startsWith('maven-metadata') && (file.startsWith('.xml', 14) || file.startsWith('-', 14))
}

/** A list in a folder of snapshots is of that version; all others are taken for lists of versions, though a group has one too. */
function ofList(segments: readonly string[], folders: number): PackageId | null {
  if (folders >= 3 && segments[folders - 1]?.endsWith(SNAPSHOT)) return versionIn(segments, folders)
  return artifactIn(segments, folders)
}

/** A folder is one of a version where its name begins with a digit, and else taken for an artifact's. */
function ofFolder(segments: readonly string[], folders: number): PackageId | null {
  if (!beginsWithDigit(segments[folders - 1] ?? '')) return artifactIn(segments, folders)
  return folders >= 3 ? versionIn(segments, folders) : null
}

function ofFile(segments: readonly string[], last: string): Omit<Identity, 'file'> {
  const folders = segments.length - 1
  const found = versionIn(segments, folders)
  const file = withoutSidecars(last)
  const start = `${segments[folders - 2] ?? ''}-`
  const version = file.startsWith(start) ? versionOf(file, start.length, found.version) : ''
  if (version === '') {
    // Some other file: of this version, if the folder is one of a version.
    return { kind: 'other', package: beginsWithDigit(found.version) ? found : null }
  }
  const rest = file.slice(start.length + version.length)
  const { classifier, type } = endingOf(rest)
  if (type === '') return { kind: 'other', package: found }
  const isMetadata = file !== last || METADATA_TYPES.has(type) || classifier === 'cyclonedx'
  const kind: ArtifactKind = isMetadata ? 'metadata' : 'artifact'
  return { kind, package: { name: found.name, version, qualifiers: qualifiersOf(classifier, type) } }
}

/** The version in a file name: that of its folder, or a snapshot's with time and number for its folder's base version; '' for neither. */
function versionOf(file: string, start: number, folder: string): string {
  const end = start + folder.length
  if (file.startsWith(folder, start) && isEnd(file, end)) return folder
  if (!folder.endsWith(SNAPSHOT)) return ''
  const base = folder.slice(0, -SNAPSHOT.length)
  if (!file.startsWith(`${base}-`, start)) return ''
  // 20240102.030405-6
  const number = file.slice(start + base.length + 1).match(/^\d{8}\.\d{6}-\d{1,9}(?=[-.])/)
  return number === null ? '' : `${base}-${number[0]}`
}

/** A version is followed by a classifier's dash or a type's dot. */
function isEnd(file: string, at: number): boolean {
  return file[at] === '-' || file[at] === '.'
}

/**
 * `-classifier.type` or `.type`. A classifier may hold dots (`-hadoop2.6.jar`), and a type one as well (`.tar.gz`): behind a classifier,
 * it is the last part, with a `tar` in front.
 */
function endingOf(rest: string): { classifier: string; type: string } {
  if (rest[0] === '.') return { classifier: '', type: rest.slice(1) }
  const dot = rest.lastIndexOf('.')
  if (dot <= 1) return { classifier: '', type: '' }
  const start = rest.endsWith('.tar', dot) ? dot - 4 : dot
  return { classifier: rest.slice(1, start), type: rest.slice(start + 1) }
}

/** A jar is the type that package URLs leave out. */
function qualifiersOf(classifier: string, type: string): string {
  const first = classifier === '' ? '' : `classifier=${encode(classifier)}`
  if (type === 'jar') return first
  return first === '' ? `type=${encode(type)}` : `${first}&type=${encode(type)}`
}

function withoutSidecars(file: string): string {
  let name = file
  for (let i = 0; i < MAX_SIDECARS; i++) {
    const sidecar = SIDECARS.find((ending) => name.endsWith(ending))
    if (sidecar === undefined) break
    name = name.slice(0, -sidecar.length)
  }
  return name
}

/** The artifact whose folder is the last of the first `folders`; null where there is no group. */
function artifactIn(segments: readonly string[], folders: number): PackageId | null {
  if (folders < 2) return null
  return { name: nameOf(segments, folders), version: '', qualifiers: '' }
}

/** The version whose folder is the last of the first `folders`, of which there are three at least. */
function versionIn(segments: readonly string[], folders: number): PackageId {
  return { name: nameOf(segments, folders - 1), version: segments[folders - 1] ?? '', qualifiers: '' }
}

/** Group, with its dots, and artifact: the first `count` segments. */
function nameOf(segments: readonly string[], count: number): string {
  return `${segments.slice(0, count - 1).join('.')}/${segments[count - 1] ?? ''}`
}

function beginsWithDigit(text: string): boolean {
  const code = text.charCodeAt(0)
  return code >= 0x30 && code <= 0x39
}
