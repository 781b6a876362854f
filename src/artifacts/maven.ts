import type { ArtifactRequest, Identity, PackageId } from '../model/artifact/identity.ts'
import { encode } from '../model/artifact/purl.ts'
import { isDots, lengthAt, plainPath } from './identify/decoded.ts'
import { about, aboutNone, endOfDigits, isDigit, lastIndexIn, verbOf } from './identify/paths.ts'
import { ecosystem, NOTHING } from './kind.ts'

export const maven = ecosystem('maven', { identify, formats: ['maven'] })

const DASH = 0x2d
const DOT = 0x2e
const SLASH = 0x2f
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

/** A path, and where the slashes stand in front of its last three segments: -1 where there are fewer. */
interface Place {
  readonly path: string
  readonly third: number
  readonly second: number
  readonly last: number
}

/**
 * The Maven 2 repository layout: group (its dots are slashes), artifact, version, and in it `artifact-version[-classifier].type`. The
 * version's folder says where the file name splits, so no guess is needed; a file that does not begin so is only in the folder.
 */
function identify({ method, path }: ArtifactRequest): Identity {
  const verb = verbOf(method)
  if (verb === 'other') return NOTHING
  const found = identifyRead(belowRepository(plainPath(path)))
  return verb === 'read' || found.kind === 'upload' ? found : { ...found, kind: 'upload' }
}

/** Without a folder in front that is a repository's. */
function belowRepository(path: string): string {
  switch (path.charCodeAt(1)) {
    case 0x6c: // l
    case 0x6d: // m
    case 0x70: // p
    case 0x72: // r
    case 0x73: {
      // s
      const end = path.indexOf('/', 1)
      return end !== -1 && REPOSITORIES.has(path.slice(1, end)) ? path.slice(end) : path
    }
    default:
      return path
  }
}

/** Null where some segment can be read as several or as none. */
function placeOf(path: string): Place | null {
  let [third, second, last] = [-1, -1, 0]
  for (let i = 1; i < path.length; i++) {
    const code = path.charCodeAt(i)
    if (code === 0) return null
    if (code !== SLASH) continue
    if (i === last + 1 || isDots(path, last + 1, i)) return null
    third = second
    second = last
    last = i
  }
  return isDots(path, last + 1, path.length) ? null : { path, third, second, last }
}

function identifyRead(path: string): Identity {
  const place = placeOf(path)
  const file = path.slice((place === null ? lastIndexIn(path, '/') : place.last) + 1)
  if (path.charCodeAt(1) === DOT && INDEX_FOLDERS.some((folder) => path.startsWith(folder)))
    return aboutNone('index', file)
  if (place === null) return aboutNone('other', file)
  const { second, last } = place
  if (last === 0 && file.startsWith('archetype-catalog.xml')) return aboutNone('index', file)
  if (file === '') return { kind: 'index', package: ofFolder(place), file }
  if (isList(file)) return { kind: 'index', package: ofList(place), file }
  return second > 0 && place.third > 0 ? ofFile(place, file) : aboutNone('other', file)
}

/** `maven-metadata.xml`, `maven-metadata-<repository>.xml` and their checksums. */
function isList(file: string): boolean {
  return file.startsWith('maven-metadata') && (file.startsWith('.xml', 14) || file.startsWith('-', 14))
}

/** A list in a folder of snapshots is of that version; all others are taken for lists of versions, though a group has one too. */
function ofList(place: Place): PackageId | null {
  const isSnapshot = place.third > 0 && lengthAt(place.path, place.last, SNAPSHOT) > 0
  return isSnapshot ? versionIn(place) : artifactIn(place)
}

/** A folder is one of a version where its name begins with a digit, and else taken for an artifact's. */
function ofFolder(place: Place): PackageId | null {
  if (!isDigit(place.path.charCodeAt(place.second + 1))) return artifactIn(place)
  return place.third > 0 ? versionIn(place) : null
}

function ofFile(place: Place, file: string): Identity {
  const { path, third, second, last } = place
  const end = endOfDescribed(path)
  const start = last + second - third
  const isNamed = path.charCodeAt(start) === DASH && repeats(path, third + 1, last + 1, second - third - 1)
  const endOfVersion = isNamed ? endOfVersionIn(place, start + 1) : 0
  if (endOfVersion === 0 || endOfVersion >= end) {
    // Some other file: of this version, if the folder is one of a version.
    const isVersion = isDigit(path.charCodeAt(second + 1))
    return { kind: 'other', package: isVersion ? versionIn(place) : null, file }
  }
  const name = nameOf(path, third, second)
  const version = path.slice(start + 1, endOfVersion)
  if (end - endOfVersion === '.jar'.length && path.startsWith('.jar', endOfVersion)) {
    return about(end < path.length ? 'metadata' : 'artifact', name, version, file)
  }
  const { classifier, type } = endingOf(path, endOfVersion, end)
  if (type === '') return { kind: 'other', package: versionIn(place), file }
  const isMetadata = end < path.length || METADATA_TYPES.has(type) || classifier === 'cyclonedx'
  const kind = isMetadata ? 'metadata' : 'artifact'
  return { kind, package: { name, version, qualifiers: qualifiersOf(classifier, type) }, file }
}

/** Whether the text at `at` is the same as that at `from`, for `length` characters. */
function repeats(text: string, from: number, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (text.charCodeAt(from + i) !== text.charCodeAt(at + i)) return false
  }
  return true
}

/**
 * Where the version ends that begins at `start` of a file name: that of its folder, or a snapshot's with time and number for its folder's
 * base version; 0 for neither.
 */
function endOfVersionIn({ path, second, last }: Place, start: number): number {
  const length = last - second - 1
  if (repeats(path, second + 1, start, length) && isEnd(path, start + length)) return start + length
  if (lengthAt(path, last, SNAPSHOT) === 0) return 0
  const base = length - SNAPSHOT.length
  if (!repeats(path, second + 1, start, base) || path.charCodeAt(start + base) !== DASH) return 0
  return endOfStamp(path, start + base + 1)
}

/** Where `20240102.030405-6` ends; 0 for anything else. */
function endOfStamp(path: string, start: number): number {
  const time = start + 9
  const number = time + 7
  if (endOfDigits(path, start) !== time - 1 || path.charCodeAt(time - 1) !== DOT) return 0
  if (endOfDigits(path, time) !== number - 1 || path.charCodeAt(number - 1) !== DASH) return 0
  const end = endOfDigits(path, number)
  return end > number && end - number <= 9 && isEnd(path, end) ? end : 0
}

/** A version is followed by a classifier's dash or a type's dot. */
function isEnd(path: string, at: number): boolean {
  const code = path.charCodeAt(at)
  return code === DASH || code === DOT
}

/**
 * `-classifier.type` or `.type`. A classifier may hold dots (`-hadoop2.6.jar`), and a type one as well (`.tar.gz`): behind a classifier,
 * it is the last part, with a `tar` in front.
 */
function endingOf(path: string, start: number, end: number): { classifier: string; type: string } {
  if (path.charCodeAt(start) === DOT) return { classifier: '', type: path.slice(start + 1, end) }
  const dot = lastIndexIn(path, '.', end - 1)
  if (dot <= start + 1) return { classifier: '', type: '' }
  const endOfClassifier = dot - lengthAt(path, dot, '.tar')
  return { classifier: path.slice(start + 1, endOfClassifier), type: path.slice(endOfClassifier + 1, end) }
}

/** A jar is the type that package URLs leave out. */
function qualifiersOf(classifier: string, type: string): string {
  const first = classifier === '' ? '' : `classifier=${encode(classifier)}`
  if (type === 'jar') return first
  return first === '' ? `type=${encode(type)}` : `${first}&type=${encode(type)}`
}

/** Where the name of the file ends that this one describes. */
function endOfDescribed(path: string): number {
  let end = path.length
  for (let i = 0; i < MAX_SIDECARS; i++) {
    const length = lengthOfSidecar(path, end)
    if (length === 0) break
    end -= length
  }
  return end
}

/** Of checksums and signatures (Maven, "Repository Layout" and the GPG and Sigstore plugins). */
function lengthOfSidecar(path: string, end: number): number {
  switch (path.charCodeAt(end - 1)) {
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
  return { name: nameOf(path, third, second), version: path.slice(second + 1, last), qualifiers: '' }
}

/** Group, with its dots, and artifact, which stands between two slashes. */
function nameOf(path: string, start: number, end: number): string {
  let group = ''
  let from = 1
  for (let slash = path.indexOf('/', 1); slash < start; slash = path.indexOf('/', from)) {
    group += `${path.slice(from, slash)}.`
    from = slash + 1
  }
  return group + path.slice(from, end)
}
