import type { ArtifactRequest, Identity } from '../../model/artifact/identity.ts'
import { decodePercent } from '../../lib/percent.ts'
import { Endings } from './endings.ts'
import { about, aboutNone, charsWith, consistsOf, endOfDigits, isDigit, kindBy } from './paths.ts'
import { lastIndexIn, lastSegment, segmentAt, segmentsOf, verbOf } from './paths.ts'
import { isPythonVersion } from './python-version.ts'

const NAME = charsWith('-._')
const VERSION = charsWith('-._+!')
/** Separators that folding changes. */
const IS_UNFOLDED = /[._]|--/
/** Of documents beside a file: PEP 658 and 740, signatures, checksums. */
const BESIDE = new Endings([
  '.metadata',
  '.asc',
  '.sig',
  '.provenance',
  '.publish.attestation',
  '.sha256',
  '.sha1',
  '.md5',
])
const WHEELS = new Endings(['.whl'])
const EGGS = new Endings(['.egg'])
/** Archives of sources, and installers. */
const SOURCES = new Endings([
  '.tar.gz',
  '.zip',
  '.tar.bz2',
  '.tgz',
  '.tar.xz',
  '.tar.z',
  '.tar',
  '.exe',
  '.msi',
])
/** What stands behind the version in names of installers and of binary archives (distutils): `psutil-5.6.7.win32-py2.7`. */
const PLATFORMS = ['.win32', '.win-', '.linux-', '.macosx-']
/** A wheel's name has them in front of version, build (if there is one), Python, ABI, platform (binary distribution format). */
const MIN_DASHES_OF_WHEEL = 4
/** In versions: `1.0-beta-2-1`; no more are looked at. */
const MAX_DASHES_OF_VERSION = 3

/**
 * Paths of a Python index: simple pages (https://packaging.python.org, "Simple repository API"), the JSON API, and files wherever they are.
 * Names are folded as the index does ("Names and normalization").
 */
export function identifyPypi({ method, path }: ArtifactRequest): Identity {
  const decoded = decodePercent(path)
  const last = lastSegment(decoded)
  // PEP 740: `/integrity/<name>/<version>/<file>/provenance`.
  const end = last === 'provenance' ? decoded.length - '/provenance'.length : decoded.length
  const file = end === decoded.length ? last : lastSegment(decoded.slice(0, end))
  const isBeside = end < decoded.length
  const main = BESIDE.without(file)
  const named = namedBy(main ?? file, decoded, end - file.length - 1)
  if (named === null) return identifyPage(method, decoded)
  const kind = kindBy(method, isBeside || main !== null ? 'metadata' : 'artifact')
  return isName(named.name) ? about(kind, folded(named.name), named.version, file) : aboutNone(kind, file)
}

interface Named {
  readonly name: string
  readonly version: string
}

const NOBODY: Named = { name: '', version: '' }

/** Name and version of a distribution's file, which stands behind the slash at `folder`; null for any other file. */
function namedBy(file: string, path: string, folder: number): Named | null {
  const wheel = WHEELS.without(file)
  if (wheel !== null) return ofWheel(wheel)
  const egg = EGGS.without(file)
  if (egg !== null) return ofSource(withoutPython(egg), path, folder)
  const source = SOURCES.without(file)
  return source === null ? null : ofSource(withoutPlatform(source), path, folder)
}

/** `name-version-…`: a dash of the name is written as an underscore. */
function ofWheel(stem: string): Named {
  const first = stem.indexOf('-')
  const second = stem.indexOf('-', first + 1)
  if (first === -1 || second === -1 || !hasDashes(stem, MIN_DASHES_OF_WHEEL)) return NOBODY
  return { name: stem.slice(0, first), version: versionOf(stem.slice(first + 1, second)) }
}

function hasDashes(stem: string, count: number): boolean {
  let dash = -1
  for (let i = 0; i < count; i++) {
    dash = stem.indexOf('-', dash + 1)
    if (dash === -1) return false
  }
  return true
}

/** `name-version`: the folder, or the one above it, tells where the name ends; else the last dash that a version follows. */
function ofSource(stem: string, path: string, folder: number): Named {
  let end = folder
  for (let level = 0; level < 2 && end > 0; level++) {
    const start = lastIndexIn(path, '/', end - 1)
    const name = path.slice(start + 1, end)
    if (stem[name.length] === '-' && folded(stem.slice(0, name.length)) === folded(name)) {
      return { name, version: versionOf(stem.slice(name.length + 1)) }
    }
    end = start
  }
  const dash = dashOfVersion(stem)
  return dash <= 0 ? NOBODY : { name: stem.slice(0, dash), version: stem.slice(dash + 1) }
}

function dashOfVersion(stem: string): number {
  let dash = lastIndexIn(stem, '-')
  for (let i = 0; i <= MAX_DASHES_OF_VERSION && dash > 0; i++) {
    const before = lastIndexIn(stem, '-', dash - 1)
    if (isPythonVersion(stem, dash + 1)) return isPostRelease(stem, before, dash) ? before : dash
    dash = before
  }
  return -1
}

/** Whether the number behind a dash belongs to the version in front of it, as in `foo-1.0-1` (PEP 440, "Implicit post releases"). */
function isPostRelease(stem: string, before: number, dash: number): boolean {
  if (before <= 0 || endOfDigits(stem, dash + 1) !== stem.length) return false
  const dot = stem.indexOf('.', before)
  return dot !== -1 && dot < dash && isPythonVersion(stem, before + 1)
}

/** Without `-py3.10-win-amd64`. */
function withoutPython(stem: string): string {
  const at = lastIndexIn(stem, '-py')
  return at > 0 && isDigit(stem.charCodeAt(at + 3)) ? stem.slice(0, at) : stem
}

function withoutPlatform(stem: string): string {
  for (let dot = lastIndexIn(stem, '.'); dot > 0; dot = lastIndexIn(stem, '.', dot - 1)) {
    const letter = stem.charCodeAt(dot + 1)
    const mayFit = letter === 0x77 || letter === 0x6c || letter === 0x6d
    if (mayFit && PLATFORMS.some((platform) => stem.startsWith(platform, dot))) return stem.slice(0, dot)
  }
  return stem
}

/** A simple page, a document of the JSON API, or what an index has besides. */
function identifyPage(method: string, path: string): Identity {
  if (path.includes('/_/oidc/')) return aboutNone('login')
  const clean = path.endsWith('/') ? path.slice(0, -1) : path
  if (verbOf(method) !== 'read')
    return aboutNone(method === 'POST' && clean.endsWith('/pypi') ? 'search' : kindBy(method, 'other'))
  const simple = lastIndexIn(clean, 'simple/')
  if (simple > 0 && '/+'.includes(clean.charAt(simple - 1))) {
    const rest = clean.slice(simple + 'simple/'.length)
    const name = segmentAt(rest, 0)
    const page = rest.slice(name.length)
    return page === '' || page === '/index.html' || page === '/index.json' ? pageOf(name) : aboutNone('other')
  }
  if (clean.endsWith('/simple') || clean.endsWith('/+simple')) return aboutNone('index')
  const json = lastIndexIn(clean, '/pypi/')
  if (json !== -1 && clean.endsWith('/json')) return identifyJson(clean.slice(json + '/pypi'.length))
  return aboutNone(clean.endsWith('/search') ? 'search' : 'other')
}

function pageOf(name: string): Identity {
  return isName(name) ? about('index', folded(name)) : aboutNone('index')
}

/** `/<name>/json` lists versions, `/<name>/<version>/json` describes one. */
function identifyJson(rest: string): Identity {
  const [name = '', version = '', end] = segmentsOf(rest, 3) ?? []
  if (!isName(name)) return aboutNone('other')
  return end === undefined ? pageOf(name) : about('metadata', folded(name), versionOf(version))
}

/** The text, if it begins with a digit and has nothing in it that no version has; else ''. */
function versionOf(text: string): string {
  return isDigit(text.charCodeAt(0)) && consistsOf(text, VERSION) ? text : ''
}

/** Begins and ends with a letter or digit; has dots, dashes and underscores between them. */
function isName(name: string): boolean {
  const isOpen = isSeparator(name.charCodeAt(0)) || isSeparator(name.charCodeAt(name.length - 1))
  return !isOpen && consistsOf(name, NAME)
}

/** Lower case, every run of dashes, dots and underscores one dash. */
function folded(name: string): string {
  if (!IS_UNFOLDED.test(name)) return name.toLowerCase()
  let plain = ''
  let start = 0
  for (let i = 0; i < name.length; i++) {
    if (!isSeparator(name.charCodeAt(i))) continue
    const end = i
    while (isSeparator(name.charCodeAt(i + 1))) i++
    plain += `${name.slice(start, end)}-`
    start = i + 1
  }
  return (plain + name.slice(start)).toLowerCase()
}

function isSeparator(code: number): boolean {
  return code === 0x2d || code === 0x2e || code === 0x5f
}
