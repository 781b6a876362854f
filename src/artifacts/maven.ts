import type { ArtifactRequest, Identity, PackageId } from '../model/artifact/identity.ts'
import { encode } from '../model/artifact/purl.ts'
import { lengthAt, readPlain } from './identify/decoded.ts'
import { about, aboutNone, endOfDigits, isDigit, verbOf } from './identify/paths.ts'
import type { ScannedPath } from './identify/scanned-path.ts'
import { ecosystem, MAX_IDENTIFIED_PATH, NOTHING } from './kind.ts'

export const maven = ecosystem('maven', { holdMs: 20_000, identifyBytes: identify, formats: ['maven'] })

const DASH = 0x2d
const DOT = 0x2e
const SLASH = 0x2f
const SMALL_M = 0x6d
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
const INDEX_FOLDERS = ['/.index/', '/.meta/', '/.nexus/']
/** Folders that servers have repositories in, at their root; no group begins so. */
const REPOSITORIES: ReadonlySet<string> = new Set(
  (
    'maven2 maven-public maven-releases maven-snapshots maven-central public release releases snapshot snapshots milestone ' +
    'libs-release libs-snapshot libs-milestone libs-release-local libs-snapshot-local plugins-release plugins-snapshot'
  ).split(' '),
)
const SNAPSHOT = '-SNAPSHOT'
/** Where names are made: in half the time that texts take which are put together. */
const NAME = Buffer.alloc(MAX_IDENTIFIED_PATH)

/** A path, and where the slashes stand in front of its last three segments: -1 where there are fewer. */
interface Place {
  readonly path: ScannedPath
  readonly third: number
  readonly second: number
  readonly last: number
}

/**
 * The Maven 2 repository layout: group (its dots are slashes), artifact, version, and in it `artifact-version[-classifier].type`. The
 * version's folder says where the file name splits, so no guess is needed; a file that does not begin so is only in the folder.
 */
function identify({ method }: ArtifactRequest, path: ScannedPath): Identity {
  const verb = verbOf(method)
  if (verb === 'other') return NOTHING
  readPlain(path)
  readBelowRepository(path)
  const found = identifyRead(path)
  return verb === 'read' || found.kind === 'upload' ? found : { ...found, kind: 'upload' }
}

/** Leaves out a folder in front that is a repository's. */
function readBelowRepository(path: ScannedPath): void {
  switch (path.bytes[1] ?? 0) {
    case 0x6c: // l
    case 0x6d: // m
    case 0x70: // p
    case 0x72: // r
    case 0x73: {
      // s
      if (path.slashCount === 1) return
      const end = path.slashes[1] ?? 0
      if (REPOSITORIES.has(path.text.slice(1, end))) path.read(path.text.slice(end))
      return
    }
    default:
  }
}

function identifyRead(path: ScannedPath): Identity {
  const { text, bytes } = path
  const last = path.slashFromEnd(1)
  const file = text.slice(last + 1)
  if (bytes[1] === DOT && INDEX_FOLDERS.some((folder) => text.startsWith(folder)))
    return aboutNone('index', file)
  if (!path.isClean()) return aboutNone('other', file)
  const place = { path, third: path.slashFromEnd(3), second: path.slashFromEnd(2), last }
  if (last === 0 && file.startsWith('archetype-catalog.xml')) return aboutNone('index', file)
  if (file === '') return { kind: 'index', package: ofFolder(place), file }
  if (bytes[last + 1] === SMALL_M && isList(file)) return { kind: 'index', package: ofList(place), file }
  return place.second > 0 && place.third > 0 ? ofFile(place, file) : aboutNone('other', file)
}

/** `maven-metadata.xml`, `maven-metadata-<repository>.xml` and their checksums. */
function isList(file: string): boolean {
  return file.startsWith('maven-metadata') && (file.startsWith('.xml', 14) || file.startsWith('-', 14))
}

/** A list in a folder of snapshots is of that version; all others are taken for lists of versions, though a group has one too. */
function ofList(place: Place): PackageId | null {
  const isSnapshot = place.third > 0 && lengthAt(place.path.text, place.last, SNAPSHOT) > 0
  return isSnapshot ? versionIn(place) : artifactIn(place)
}

/** A folder is one of a version where its name begins with a digit, and else taken for an artifact's. */
function ofFolder(place: Place): PackageId | null {
  if (!isDigitAt(place.path.bytes, place.second + 1)) return artifactIn(place)
  return place.third > 0 ? versionIn(place) : null
}

function ofFile(place: Place, file: string): Identity {
  const { path, third, second, last } = place
  const { text, bytes } = path
  const end = endOfDescribed(path)
  const start = last + second - third
  const isNamed = bytes[start] === DASH && repeats(path, third + 1, last + 1, second - third - 1)
  const endOfVersion = isNamed ? endOfVersionIn(place, start + 1) : 0
  if (endOfVersion === 0 || endOfVersion >= end) {
    // Some other file: of this version, if the folder is one of a version.
    const isVersion = isDigitAt(bytes, second + 1)
    return { kind: 'other', package: isVersion ? versionIn(place) : null, file }
  }
  const name = nameOf(path, third, second)
  const version = text.slice(start + 1, endOfVersion)
  if (end - endOfVersion === '.jar'.length && isJarAt(bytes, endOfVersion)) {
    return about(end < text.length ? 'metadata' : 'artifact', name, version, file)
  }
  const { classifier, type } = endingOf(path, endOfVersion, end)
  if (type === '') return { kind: 'other', package: versionIn(place), file }
  const isMetadata = end < text.length || METADATA_TYPES.has(type) || classifier === 'cyclonedx'
  const kind = isMetadata ? 'metadata' : 'artifact'
  return { kind, package: { name, version, qualifiers: qualifiersOf(classifier, type) }, file }
}

/** Whether `.jar` stands there. */
function isJarAt(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === DOT && bytes[at + 1] === 0x6a && bytes[at + 2] === 0x61 && bytes[at + 3] === 0x72
}

/** Whether the text at `at` is the same as that at `from`, for `length` characters. */
function repeats({ text, bytes, isLiteral }: ScannedPath, from: number, at: number, length: number): boolean {
  if (!isLiteral) return text.startsWith(text.slice(from, from + length), at)
  for (let i = 0; i < length; i++) {
    if (bytes[from + i] !== bytes[at + i]) return false
  }
  return true
}

/**
 * Where the version ends that begins at `start` of a file name: that of its folder, or a snapshot's with time and number for its folder's
 * base version; 0 for neither.
 */
function endOfVersionIn({ path, second, last }: Place, start: number): number {
  const { text, bytes } = path
  const length = last - second - 1
  if (repeats(path, second + 1, start, length) && isEnd(bytes, start + length)) return start + length
  if (lengthAt(text, last, SNAPSHOT) === 0) return 0
  const base = length - SNAPSHOT.length
  if (!repeats(path, second + 1, start, base) || bytes[start + base] !== DASH) return 0
  return endOfStamp(path, start + base + 1)
}

/** Where `20240102.030405-6` ends; 0 for anything else. */
function endOfStamp({ text, bytes }: ScannedPath, start: number): number {
  const time = start + 9
  const number = time + 7
  if (endOfDigits(text, start) !== time - 1 || bytes[time - 1] !== DOT) return 0
  if (endOfDigits(text, time) !== number - 1 || bytes[number - 1] !== DASH) return 0
  const end = endOfDigits(text, number)
  return end > number && end - number <= 9 && isEnd(bytes, end) ? end : 0
}

/** A version is followed by a classifier's dash or a type's dot. */
function isEnd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === DASH || bytes[at] === DOT
}

interface Ending {
  readonly classifier: string
  readonly type: string
}

/**
 * `-classifier.type` or `.type`. A classifier may hold dots (`-hadoop2.6.jar`), and a type one as well (`.tar.gz`): behind a classifier,
 * it is the last part, with a `tar` in front.
 */
function endingOf({ text, bytes }: ScannedPath, start: number, end: number): Ending {
  if (bytes[start] === DOT) return { classifier: '', type: text.slice(start + 1, end) }
  let dot = end - 1
  while (dot > start && bytes[dot] !== DOT) dot--
  if (dot <= start + 1) return { classifier: '', type: '' }
  const endOfClassifier = dot - lengthAt(text, dot, '.tar')
  return { classifier: text.slice(start + 1, endOfClassifier), type: text.slice(endOfClassifier + 1, end) }
}

/** A jar is the type that package URLs leave out. */
function qualifiersOf(classifier: string, type: string): string {
  const first = classifier === '' ? '' : `classifier=${encode(classifier)}`
  if (type === 'jar') return first
  return first === '' ? `type=${encode(type)}` : `${first}&type=${encode(type)}`
}

/** Where the name of the file ends that this one describes. */
function endOfDescribed({ text, bytes }: ScannedPath): number {
  let end = text.length
  for (let i = 0; i < MAX_SIDECARS; i++) {
    const length = lengthOfSidecar(text, bytes[end - 1] ?? 0, end)
    if (length === 0) break
    end -= length
  }
  return end
}

/** Of checksums and signatures (Maven, "Repository Layout" and the GPG and Sigstore plugins). */
function lengthOfSidecar(path: string, last: number, end: number): number {
  switch (last) {
    case 0x31: // 1
      return lengthAt(path, end, '.sha1')
    case 0x32: // 2
      return lengthAt(path, end, '.sha512')
    case 0x35: // 5
      return lengthAt(path, end, '.md5')
    case 0x36: // 6
      return lengthAt(path, end, '.sha256')
    case 0x63: // c
      return lengthAt(path, end, '.asc')
    case 0x65: // e
      return lengthAt(path, end, '.sigstore')
    case 0x6e: // n
      return lengthAt(path, end, '.sigstore.json')
    default:
      return 0
  }
}

/** The artifact whose folder is the last; null where there is no group. */
function artifactIn({ path, second, last }: Place): PackageId | null {
  return second > 0 ? { name: nameOf(path, second, last), version: '', qualifiers: '' } : null
}

/** The version whose folder is the last. */
function versionIn({ path, third, second, last }: Place): PackageId {
  return { name: nameOf(path, third, second), version: path.text.slice(second + 1, last), qualifiers: '' }
}

/** Group, with its dots, and artifact, which stands between two slashes. */
function nameOf({ text, bytes, isLiteral }: ScannedPath, start: number, end: number): string {
  if (!isLiteral) return text.slice(1, start).replaceAll('/', '.') + text.slice(start, end)
  for (let i = 1; i < start; i++) NAME[i] = bytes[i] === SLASH ? DOT : (bytes[i] ?? 0)
  for (let i = start; i < end; i++) NAME[i] = bytes[i] ?? 0
  return NAME.toString('latin1', 1, end)
}

function isDigitAt(bytes: Uint8Array, at: number): boolean {
  return isDigit(bytes[at] ?? 0)
}
