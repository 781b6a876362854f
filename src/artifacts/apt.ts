import type { ArtifactRequest, Identity, PackageId } from '../model/artifact/identity.ts'
import { plainPath } from './identify/decoded.ts'
import { Endings } from './identify/endings.ts'
import { lastIndexIn, verbOf } from './identify/paths.ts'
import { ecosystem, NOTHING } from './kind.ts'

export const apt = ecosystem('apt', { holdMs: 20_000, purlType: 'deb', formats: ['debian', 'deb'], identify })

/** Debian policy 5.6.1, and capitals, which third parties use. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9+.-]*$/
/** Debian policy 5.6.12; without an underscore, so that a file name splits in one way. */
const VERSION = /^[0-9A-Za-z][0-9A-Za-z.+~:-]*$/
const ARCH = /^[a-z0-9][a-z0-9-]*$/
/** Binary packages, and what is uploaded with them: `name_version_arch`. */
const BINARIES: ReadonlySet<string> = new Set(['deb', 'udeb', 'ddeb', 'changes', 'buildinfo'])
/** Signatures of files. */
const SIGNATURES = new Endings(['.asc', '.sig', '.gpg'])
/** Compressed tar archives of source packages (dpkg-source). */
const TARBALL = /\.tar\.(?:gz|bz2|xz|lzma|zst)$/
/** Lists of a repository (https://wiki.debian.org/DebianRepository/Format), with any compression. */
const LIST =
  /^(?:Packages|Sources|Release|InRelease|Contents-|Translation-|Components-|Commands-|Index|ls-lR)/

/**
 * Debian repositories, with a pool or flat. Name, version and architecture stand in the name of a file; everything else that is read is
 * a list. The vendor is the route's: a path does not tell one, nor the epoch of a version.
 */
function identify(request: ArtifactRequest): Identity {
  const verb = verbOf(request.method)
  if (verb === 'other') return NOTHING
  const path = plainPath(request.path)
  const file = path.slice(lastIndexIn(path, '/') + 1)
  const found = packageOf(path, file)
  const id = found === null ? null : withVendor(found, request.origin)
  if (verb === 'write') return { kind: 'upload', package: id, file }
  return { kind: kindOf(path, file, id !== null), package: id, file }
}

function kindOf(path: string, file: string, isPackage: boolean): Identity['kind'] {
  if (isPackage) return isDescription(file) ? 'metadata' : 'artifact'
  if (file.endsWith('.deb') || file.endsWith('.udeb')) return 'artifact'
  if (file === '' && path !== '/') return 'index'
  if (LIST.test(file)) return 'index'
  // The installer's images lie among the lists.
  const isList = path.includes('/dists/') || path.endsWith('/dists')
  return isList && !path.includes('/installer-') ? 'index' : 'other'
}

function isDescription(file: string): boolean {
  return SIGNATURES.lengthIn(file) > 0 || file.endsWith('changelog') || file.endsWith('copyright')
}

function packageOf(path: string, file: string): PackageId | null {
  // `…/curl_8.5.0-2ubuntu10.1/changelog`
  if (file === 'changelog' || file === 'copyright') return ofSource(lastFolder(path))
  const signature = SIGNATURES.lengthIn(file)
  const name = signature === 0 ? file : file.slice(0, -signature)
  const dot = lastIndexIn(name, '.')
  if (dot !== -1 && BINARIES.has(name.slice(dot + 1))) return ofBinary(name.slice(0, dot))
  if (name.endsWith('.dsc')) return ofSource(name.slice(0, -'.dsc'.length))
  if (name.endsWith('.diff.gz')) return ofSource(name.slice(0, -'.diff.gz'.length))
  if (TARBALL.test(name)) return ofSource(withoutPart(name.slice(0, name.lastIndexOf('.tar.'))))
  for (const ending of ['_changelog', '_copyright', '.changelog', '.copyright'])
    if (name.endsWith(ending)) return ofSource(name.slice(0, -ending.length))
  return null
}

function lastFolder(path: string): string {
  const end = lastIndexIn(path, '/')
  return path.slice(lastIndexIn(path, '/', end - 1) + 1, end)
}

/** Without the `.orig`, `.orig-<component>` or `.debian` that says which part of a source package an archive is. */
function withoutPart(stem: string): string {
  const dot = stem.lastIndexOf('.')
  const part = stem.slice(dot + 1)
  return part === 'orig' || part === 'debian' || part.startsWith('orig-') ? stem.slice(0, dot) : stem
}

/** `name_version_arch` */
function ofBinary(stem: string): PackageId | null {
  const first = stem.indexOf('_')
  const second = stem.indexOf('_', first + 1)
  if (first === -1 || second === -1) return null
  return deb(stem.slice(0, first), stem.slice(first + 1, second), stem.slice(second + 1))
}

/** `name_version`; the version of a source package begins with a digit. */
function ofSource(stem: string): PackageId | null {
  const mark = stem.indexOf('_')
  return mark !== -1 && /^\d/.test(stem.slice(mark + 1, mark + 2))
    ? deb(stem.slice(0, mark), stem.slice(mark + 1), 'source')
    : null
}

/** A file name may have the colon of an epoch escaped. */
function deb(name: string, versionInFile: string, arch: string): PackageId | null {
  const version = versionInFile.includes('%') ? versionInFile.replaceAll(/%3a/gi, ':') : versionInFile
  if (!NAME.test(name) || !VERSION.test(version) || !ARCH.test(arch)) return null
  return { name: name.toLowerCase(), version, qualifiers: `arch=${arch}` }
}

/** Both are lower case by the type's definition. */
function withVendor(found: PackageId, vendor: string): PackageId {
  return vendor === '' ? found : { ...found, name: `${vendor.toLowerCase()}/${found.name}` }
}
