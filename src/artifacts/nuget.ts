import type { ArtifactRequest, Identity, PackageId } from '../model/artifact/identity.ts'
import { arePlain, decodedSegments, parameterOf } from './identify/decoded.ts'
import { Endings } from './identify/endings.ts'
import { aboutNone, endOfDigits, kindBy } from './identify/paths.ts'
import { ecosystem } from './kind.ts'

export const nuget = ecosystem('nuget', { holdMs: 10_000, formats: ['nuget/v3', 'nuget'], identify })

/** An id of a package ("Package identifier"): letters, digits, `_`, and `.` or `-` between them; 100 at most. */
const ID = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/
/** A version, normalised or not: 1 to 4 numbers, a prerelease, build metadata. */
const VERSION = /^\d{1,10}(?:\.\d{1,10}){0,3}(?:-[A-Za-z0-9.-]+)?(?:\+[A-Za-z0-9.-]*)?$/
/** One that is normalised. */
const NORMAL = /^(?:0|[1-9]\d{0,9})(?:\.(?:0|[1-9]\d{0,9})){2}(?:-[a-z0-9.-]+)?$/
/** Packages, and their symbols. */
const PACKAGES = new Endings(['.nupkg', '.snupkg'])
/** Folders of packages, each with one of versions: the flat container and registrations, as servers call them. */
const BASES =
  /^(?:v\d-)?(?:flat-?container|flat2?|package-?base-?address|download|content|registrations?)(?:\d[a-z0-9-]*|-[a-z0-9-]*)?$/i
/** The same in forges, where a repository's paths begin so. */
const FORGE_BASES: ReadonlySet<string> = new Set(['package', 'metadata'])
/** The end points of searches. */
const SEARCHES: ReadonlySet<string> = new Set(['query', 'search', 'search()', 'autocomplete', 'package-ids'])

/**
 * NuGet's server interface (https://learn.microsoft.com/nuget/api/overview), version 3 (service index, flat container, registration,
 * search, catalogue) and 2 (OData, downloads, push). A service index may put each part anywhere, so the ends of paths decide. Neither ids
 * nor versions have a case; version 3 writes them small, and so does this.
 */
function identify(request: ArtifactRequest): Identity {
  const segments = decodedSegments(request.path)
  const file = segments.at(-1) ?? ''
  if (!arePlain(request.path, segments)) return aboutNone(kindBy(request.method, 'other'))
  const found = ofFile(segments, file) ?? ofVersion2(request, segments) ?? ofVersion3(request, segments, file)
  return { kind: kindBy(request.method, found.kind), package: found.package, file }
}

type Found = Pick<Identity, 'kind' | 'package'>

/** `<id>/<version>/<id>.<version>.nupkg`, or a file whose name can be split in one way. */
function ofFile(segments: readonly string[], file: string): Found | null {
  const small = file.toLowerCase()
  const length = PACKAGES.lengthIn(small)
  if (length > 0) {
    const stem = small.slice(0, -length)
    return { kind: 'artifact', package: ofFolders(segments, stem) ?? ofStem(stem) }
  }
  if (!small.endsWith('.nuspec')) return null
  const [id = '', version = ''] = segments.slice(-3, -1)
  const isOfFolder = small === `${id.toLowerCase()}.nuspec`
  return { kind: 'metadata', package: isOfFolder ? packageOf(id, version) : null }
}

function ofFolders(segments: readonly string[], stem: string): PackageId | null {
  const [id = '', version = ''] = segments.slice(-3, -1)
  return stem === `${id}.${version}`.toLowerCase() ? packageOf(id, version) : null
}

/** `id.1.2.3[-pre]`. A version has three numbers or four, and an id may end with numbers: with four in a row it might be either. */
function ofStem(stem: string): PackageId | null {
  for (let dot = stem.indexOf('.', 1); dot !== -1; dot = stem.indexOf('.', dot + 1)) {
    const numbers = numbersFrom(stem, dot + 1)
    if (numbers > 3) return null
    if (numbers === 3) return packageOf(stem.slice(0, dot), stem.slice(dot + 1))
  }
  return null
}

/** How many numbers with dots between them begin here, the last one being all of its part; 5 for more than four. */
function numbersFrom(text: string, start: number): number {
  let at = start
  for (let count = 0; count < 5; count++) {
    const end = endOfDigits(text, at)
    const isPart = end > at && (end === text.length || '.-+'.includes(text[end] ?? ''))
    if (!isPart) return count
    if (text[end] !== '.') return count + 1
    at = end + 1
  }
  return 5
}

/** `…/api/v2/…`, by the words of its operations. */
function ofVersion2({ method, query }: ArtifactRequest, segments: readonly string[]): Found | null {
  // Servers of this kind tell no case in paths.
  const at = segments.findIndex((s) => (s.length === 7 || s.length === 13) && /^(?:symbol)?package$/i.test(s))
  if (at >= 1 && /^v[23]$/i.test(segments[at - 1] ?? '')) {
    const [id = '', version = '', ...more] = segments.slice(at + 1)
    const isKnown = id !== '' && more.length === 0
    return { kind: id === '' ? 'other' : 'artifact', package: isKnown ? packageOf(id, version) : null }
  }
  const operation = segments.at(-1) ?? ''
  if (operation !== '' && !mayBeOperation(operation.charCodeAt(0) | 0x20)) return null
  if (/^FindPackagesById(?:\(\))?$/i.test(operation)) {
    return { kind: 'index', package: packageOf(unquoted(parameterOf(query, 'id') ?? ''), '') }
  }
  if (/^Packages\([^)]/i.test(operation)) {
    const [, id = '', version = ''] = /^Packages\(Id='([^']*)',Version='([^']*)'\)$/i.exec(operation) ?? []
    return { kind: 'metadata', package: id === '' ? null : packageOf(id, version) }
  }
  if (/^(?:Packages(?:\(\))?|GetUpdates(?:\(\))?|v2)$/i.test(operation))
    return { kind: 'index', package: null }
  const isFolder = operation === '' && segments.at(-2) === 'v2' && method !== 'POST'
  return isFolder ? { kind: 'index', package: null } : null
}

/** Whether some operation begins with this small letter. */
function mayBeOperation(letter: number): boolean {
  return letter === 0x66 || letter === 0x70 || letter === 0x67 || letter === 0x76
}

/** What the resources of a service index lead to. */
function ofVersion3({ query }: ArtifactRequest, segments: readonly string[], file: string): Found {
  const base = indexOfBase(segments)
  const [id = '', version = '', ...more] = base === -1 ? [] : segments.slice(base + 1)
  const found = id === '' || id === 'index.json' ? null : ofBase(id, version, more, file)
  if (found !== null) return found
  if (SEARCHES.has(file.toLowerCase())) {
    const of = file.toLowerCase() === 'autocomplete' ? parameterOf(query, 'id') : null
    return of === null ? { kind: 'search', package: null } : { kind: 'index', package: packageOf(of, '') }
  }
  if (segments.at(-2) === 'package-versions') return { kind: 'index', package: packageOf(file, '') }
  if (segments.some((s) => s.includes('vulnerabilit') || s.startsWith('repository-signatures'))) {
    return { kind: 'other', package: null }
  }
  const catalog = segments.findIndex((segment) => segment.startsWith('catalog'))
  if (catalog !== -1 && segments[catalog + 1] === 'data' && file.endsWith('.json')) {
    return { kind: 'metadata', package: ofStem(file.slice(0, -'.json'.length).toLowerCase()) }
  }
  const isList = file === 'index.json' || (catalog !== -1 && file.endsWith('.json'))
  return { kind: isList ? 'index' : 'other', package: null }
}

/** Which segment is the last that is a folder of packages; -1 for none. */
function indexOfBase(segments: readonly string[]): number {
  for (let i = segments.length - 1; i >= 0; i--) {
    const segment = segments[i] ?? ''
    if (mayBeBase(segment.charCodeAt(0) | 0x20) && BASES.test(segment)) return i
  }
  return FORGE_BASES.has(segments[0] ?? '') ? 0 : -1
}

/** Whether some folder of packages begins with this small letter. */
function mayBeBase(letter: number): boolean {
  switch (letter) {
    case 0x63: // c
    case 0x64: // d
    case 0x66: // f
    case 0x70: // p
    case 0x72: // r
    case 0x76: // v
      return true
    default:
      return false
  }
}

/** Below a folder of packages: `<id>/index.json`, `<id>/page/…`, `<id>/<version>.json`, `<id>/<version>/{readme,icon,license}`. */
function ofBase(id: string, version: string, more: readonly string[], file: string): Found | null {
  if (file === 'index.json' && more.length === 0) return { kind: 'index', package: packageOf(id, '') }
  if (version === 'page' && more.length === 2) return { kind: 'index', package: packageOf(id, '') }
  if (more.length === 0 && version.endsWith('.json')) {
    return { kind: 'metadata', package: packageOf(id, version.slice(0, -'.json'.length)) }
  }
  const isAbout = more.length === 1 && ['readme', 'icon', 'license'].includes(file)
  return isAbout ? { kind: 'metadata', package: packageOf(id, version) } : null
}

/** Null for what is no id. A version that is none is left out. */
function packageOf(id: string, version: string): PackageId | null {
  if (!ID.test(id)) return null
  if (NORMAL.test(version)) return { name: id.toLowerCase(), version, qualifiers: '' }
  return { name: id.toLowerCase(), version: VERSION.test(version) ? normalised(version) : '', qualifiers: '' }
}

/** "Normalized version numbers": no leading zeros, no fourth number that is 0, no build metadata; small letters, as in the flat container. */
function normalised(version: string): string {
  const plus = version.indexOf('+')
  const whole = plus === -1 ? version : version.slice(0, plus)
  const dash = whole.indexOf('-')
  const numbers = (dash === -1 ? whole : whole.slice(0, dash)).split('.').map((part) => String(Number(part)))
  while (numbers.length < 3) numbers.push('0')
  if (numbers[3] === '0') numbers.pop()
  return `${numbers.join('.')}${dash === -1 ? '' : whole.slice(dash).toLowerCase()}`
}

/** A text of OData has quotes around it. */
function unquoted(text: string): string {
  return text.startsWith("'") && text.endsWith("'") ? text.slice(1, -1) : text
}
