import type { ArtifactRequest, Identity, PackageId } from '../model/artifact/identity.ts'
import { encode } from '../model/artifact/purl.ts'
import { arePlain, decodedSegments, parameterOf } from './identify/decoded.ts'
import { aboutNone, isDigit, kindBy, verbOf } from './identify/paths.ts'
import { ecosystem } from './kind.ts'

export const rubygems = ecosystem('rubygems', {
  holdMs: 10_000,
  purlType: 'gem',
  // gem and bundler show a body as it is.
  refusalForm: () => 'text',
  // `gem signin` with a security device polls under a token.
  maskPath: (path, mask) => path.replace(/(\/webauthn_verification\/)[^/]+/, `$1${mask}`),
  formats: ['rubygems', 'gems'],
  identify,
})

/** What gems may be called (`Gem::Specification::VALID_NAME_PATTERN`). */
const NAME = /^[A-Za-z0-9._-]{1,200}$/
/** A version as file names have it (`Gem::Version::VERSION_PATTERN`, where a dash is written `.pre.`). */
const VERSION = /^\d{1,20}(?:\.[0-9A-Za-z]{1,40}){0,20}$/
/** What a platform begins with (`Gem::Platform`): a processor or a virtual machine. */
const PROCESSORS: ReadonlySet<string> = new Set(
  'x86 x86_64 x64 i386 i486 i586 i686 arm arm64 armv6l armv7l aarch64 universal powerpc powerpc64 ppc ppc64 ppc64le s390x riscv64 loongarch64 sparc mips'.split(
    ' ',
  ),
)
/** Platforms without a processor. */
const MACHINES: ReadonlySet<string> = new Set(
  'ruby java jruby dalvik dotnet macruby mswin32 mswin64 mingw32'.split(' '),
)
/** What follows it: a system, and its version or C library. */
const SYSTEM = /^[A-Za-z][A-Za-z0-9_]{0,20}(?:-[A-Za-z0-9]{1,20})?$/
/** Lists of all gems: the compact index, and the older ones. */
const LISTS =
  /^(?:versions|names|(?:latest_|prerelease_)?specs\.\d\.\d(?:\.gz)?|Marshal\.\d\.\d(?:\.Z)?|yaml(?:\.Z)?)$/

/**
 * The interface of RubyGems: the compact index and gems (RubyGems Guides, "Compact Index API"), the index of old clients, and
 * `/api/v1`, `/api/v2`. The ends of paths decide, as repository managers put all of it below folders of theirs.
 */
function identify(request: ArtifactRequest): Identity {
  const { method, path } = request
  const segments = decodedSegments(path)
  const file = segments.at(-1) ?? ''
  if (!arePlain(path, segments) || verbOf(method) === 'other') return aboutNone(kindBy(method, 'other'))
  const found = ofFile(file) ?? ofInterface(request, segments, file) ?? ofIndex(segments, file)
  // Proof of who somebody is comes by POST.
  const kind = found.kind === 'login' ? 'login' : kindBy(method, found.kind)
  return { kind, package: found.package, file }
}

type Found = Pick<Identity, 'kind' | 'package'>

/** A gem, or its specification in the index of old clients (`quick/Marshal.4.8/…`). */
function ofFile(file: string): Found | null {
  if (file.endsWith('.gem')) return { kind: 'artifact', package: ofFullName(file.slice(0, -'.gem'.length)) }
  const ending = ['.gemspec.rz', '.gemspec'].find((end) => file.endsWith(end))
  if (ending === undefined) return null
  return { kind: 'metadata', package: ofFullName(file.slice(0, -ending.length)) }
}

/**
 * `name-version[-platform]`. Names may hold dashes and numbers, so each dash with a digit behind it is tried; the first that fits counts,
 * as a platform may end with a number. Null where none fits.
 */
function ofFullName(full: string): PackageId | null {
  for (let dash = full.indexOf('-', 1); dash !== -1; dash = full.indexOf('-', dash + 1)) {
    if (!isDigit(full.charCodeAt(dash + 1))) continue
    const next = full.indexOf('-', dash + 1)
    const version = full.slice(dash + 1, next === -1 ? full.length : next)
    const platform = next === -1 ? '' : full.slice(next + 1)
    if (VERSION.test(version) && isPlatform(platform))
      return packageOf(full.slice(0, dash), version, platform)
  }
  return null
}

/** `x86_64-linux-musl`, `arm64-darwin-22`, `java`; '' for pure Ruby. */
function isPlatform(text: string): boolean {
  if (text === '' || MACHINES.has(text)) return true
  const dash = text.indexOf('-')
  return dash !== -1 && PROCESSORS.has(text.slice(0, dash)) && SYSTEM.test(text.slice(dash + 1))
}

/** `/api/v1/…`, `/api/v2/…`. */
function ofInterface({ query }: ArtifactRequest, segments: readonly string[], file: string): Found | null {
  const at = segments.findIndex((s, i) => (s === 'v1' || s === 'v2') && segments[i - 1] === 'api')
  if (at === -1) return null
  const [area = '', second = '', third = '', ...more] = segments.slice(at + 1)
  switch (withoutJson(area)) {
    case 'search':
      return { kind: 'search', package: null }
    case 'api_key':
    case 'webauthn_verification':
    case 'oidc':
    case 'mfa':
      return { kind: 'login', package: null }
    case 'dependencies':
      return { kind: 'index', package: packageOf(parameterOf(query, 'gems') ?? '', '') }
    case 'gems':
      return ofGems(query, area, second, third)
    case 'versions':
      return {
        kind: third === '' ? 'index' : 'metadata',
        package: packageOf(third === '' ? withoutJson(second) : second, ''),
      }
    case 'rubygems': {
      const version = third === 'versions' && more.length === 1 ? withoutJson(more[0] ?? '') : ''
      const platform = parameterOf(query, 'platform') ?? ''
      return { kind: 'metadata', package: packageOf(second, version, platform) }
    }
    case 'attestations':
      return { kind: 'metadata', package: ofFullName(withoutJson(second)) }
    case 'owners':
    case 'activity':
      return { kind: 'index', package: null }
    default:
      return file === '' && area === '' ? null : { kind: 'other', package: null }
  }
}

/** `/api/v1/gems`: pushes, yanks, owners, and what is known of the newest version. */
function ofGems(query: string, area: string, second: string, third: string): Found {
  if (second === 'yank' || second === 'unyank') {
    const name = parameterOf(query, 'gem_name') ?? ''
    const [version, platform] = [parameterOf(query, 'version') ?? '', parameterOf(query, 'platform') ?? '']
    return { kind: 'other', package: packageOf(name, version, platform) }
  }
  if (second === '') return { kind: area === 'gems' ? 'other' : 'index', package: null }
  if (third === '') return { kind: 'metadata', package: packageOf(withoutJson(second), '') }
  const isVersions = withoutJson(third) === 'versions'
  return { kind: isVersions ? 'index' : 'other', package: packageOf(second, '') }
}

function ofIndex(segments: readonly string[], file: string): Found {
  if (segments.at(-2) === 'info') return { kind: 'index', package: packageOf(file, '') }
  return { kind: LISTS.test(file) ? 'index' : 'other', package: null }
}

/** Without the ending by which the interface is asked for a format. */
function withoutJson(text: string): string {
  const ending = ['.json', '.yaml'].find((end) => text.endsWith(end))
  return ending === undefined ? text : text.slice(0, -ending.length)
}

/** Null for what is no name. A version that is none is left out, and the platform of pure Ruby. */
function packageOf(name: string, version: string, platform = ''): PackageId | null {
  if (!NAME.test(name)) return null
  const isVersion = VERSION.test(version)
  const isNative = isVersion && platform !== '' && platform !== 'ruby'
  return {
    name,
    version: isVersion ? version : '',
    qualifiers: isNative ? `platform=${encode(platform)}` : '',
  }
}
