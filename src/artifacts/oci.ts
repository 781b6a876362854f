import type { ArtifactKind, ArtifactRequest, Identity, PackageId } from '../model/artifact/identity.ts'
import { encode } from '../model/artifact/purl.ts'
import { parameterOf, readPlain } from './identify/decoded.ts'
import { charsWith, consistsOf, isAlphanumeric, lastIndexIn, verbOf, type Verb } from './identify/paths.ts'
import type { ScannedPath } from './identify/scanned-path.ts'
import { ecosystem, NOTHING } from './kind.ts'
import { ociChallenge, ociLogin } from './login/oci-login.ts'

// docker reads `errors` of `application/json` and of no other type.
export const oci = ecosystem('oci', {
  holdMs: 60_000,
  identifyBytes: identify,
  challenge: ociChallenge,
  own: ociLogin,
  refusalForm: () => 'json',
})

const SLASH = 0x2f
/** Distribution specification, "Pulling manifests": marks of a tag, and of a repository's name. */
const MARKS = charsWith('_.-')
const MAX_TAG = 128
/** Image specification, "Digests": the algorithms that have a name, by their digests' length in hex; all names are of one length. */
const ALGORITHMS: ReadonlyMap<number, string> = new Map([
  [64, 'sha256:'],
  [96, 'sha384:'],
  [128, 'sha512:'],
])
const ALGORITHM_LENGTH = 'sha256:'.length
/** Bits of what a byte is as a digit of a digest. */
const SMALL = 1
const CAPITAL = 2
const NO_HEX = 4
const HEX = hexDigits()
/** Host and port of a registry, and a path in front of all names there. */
const REGISTRY = /^[A-Za-z0-9.[\]:-]+(?:\/[A-Za-z0-9._-]+)*$/
/** The scope of a token (Distribution, "Token Scope Documentation"): `repository:<name>:<actions>`. */
const SCOPE = 'repository:'
/** Below these, repository managers have registries: `<folder><repository>/v2/<name>/…`, where clients ask for `<repository>/<name>`. */
const MANAGERS = ['/repository/', '/artifactory/api/docker/', '/api/docker/']

/**
 * The distribution specification's `/v2/<name>/{manifests,blobs,tags,referrers}/…`. A name may hold those words, so the end of the path
 * decides. A route at `/v2/` has paths without it. A blob's digest is no version of an image: an image is named by its manifest's.
 */
function identify(request: ArtifactRequest, path: ScannedPath): Identity {
  const verb = verbOf(request.method)
  if (verb === 'other') return NOTHING
  readPlain(path)
  readBelowManager(path)
  return ofRepository(request, verb, path) ?? ofRegistry(request, path.text)
}

/** Reads the path as a registry at the root of its host has it. */
function readBelowManager(path: ScannedPath): void {
  const { text, bytes } = path
  // Of all managers' folders.
  if (bytes[1] !== 0x72 && bytes[1] !== 0x61) return
  const folder = MANAGERS.find((start) => text.startsWith(start))
  if (folder === undefined) return
  const end = text.indexOf('/', folder.length)
  if (end <= folder.length || !text.startsWith('/v2/', end)) return
  const rest = text.slice(end + '/v2'.length)
  // What is about the registry as a whole.
  if (rest.lastIndexOf('/') === 0) path.read(`/v2${rest}`)
  else path.read(`/v2/${text.slice(folder.length, end)}${rest}`)
}

/** Whether the path begins with `/v2/`. */
function isBelowV2({ bytes }: ScannedPath): boolean {
  return bytes[1] === 0x76 && bytes[2] === 0x32 && bytes[3] === SLASH
}

/** By the last two or three segments; null for a path that is not about a repository. */
function ofRepository(request: ArtifactRequest, verb: Verb, path: ScannedPath): Identity | null {
  const { text } = path
  const start = isBelowV2(path) ? '/v2'.length : 0
  const slash = path.slashFromEnd(1)
  const word = path.slashFromEnd(2)
  if (slash <= start || word <= start) return null
  const last = text.slice(slash + 1)
  const digest = digestOf(path, slash + 1, last)
  switch (path.bytes[word + 1] ?? 0) {
    case 0x6d: // m
      if (!text.startsWith('/manifests/', word)) return null
      return ofManifest(request, text.slice(start + 1, word), digest, last)
    case 0x74: // t
      if (last !== 'list' || !text.startsWith('/tags/', word)) return null
      return about(request, verb === 'write' ? 'upload' : 'index', text.slice(start + 1, word), last)
    case 0x72: // r
      if (!text.startsWith('/referrers/', word) || digest === '') return null
      return ofReferrers(request, text.slice(start + 1, word), digest, last)
    case 0x62: // b
      if (!text.startsWith('/blobs/', word)) return null
      if (last === 'uploads') return about(request, 'upload', text.slice(start + 1, word), last)
      if (digest === '') return null
      return about(request, verb === 'write' ? 'upload' : 'artifact', text.slice(start + 1, word), last)
    case 0x75: {
      // A session, or the slash behind a list of them.
      const blobs = word - '/blobs'.length
      if (blobs <= start || !text.startsWith('/blobs/uploads/', blobs)) return null
      return about(request, 'upload', text.slice(start + 1, blobs), last)
    }
    default:
      return null
  }
}

function ofManifest(
  request: ArtifactRequest,
  repository: string,
  digest: string,
  last: string,
): Identity | null {
  const kind = verbOf(request.method) === 'write' ? 'upload' : 'metadata'
  if (digest !== '') return { kind, package: imageOf(request, repository, digest, ''), file: last }
  return isTag(last) ? { kind, package: imageOf(request, repository, '', last), file: last } : null
}

function ofReferrers(request: ArtifactRequest, repository: string, digest: string, last: string): Identity {
  const isWrite = verbOf(request.method) === 'write'
  const found = imageOf(request, repository, digest, '')
  return { kind: isWrite ? 'upload' : 'index', package: found, file: isWrite ? last : '' }
}

/** About an image, in no version that the path tells. */
function about(request: ArtifactRequest, kind: ArtifactKind, repository: string, last: string): Identity {
  return { kind, package: imageOf(request, repository, '', ''), file: kind === 'index' ? '' : last }
}

/** What is about the registry as a whole: its ping, its catalogue, its tokens. */
function ofRegistry({ query, origin }: ArtifactRequest, path: string): Identity {
  if (path === '/v2' || path === '/v2/') return { kind: 'login', package: null, file: '' }
  const start = path.startsWith('/v2/') ? '/v2'.length : 0
  if (path.startsWith('/_catalog', start)) return { kind: 'index', package: null, file: '' }
  switch (path.slice(lastIndexIn(path, '/') + 1)) {
    case 'token':
    case 'auth': {
      const name = repositoryOf(parameterOf(query, 'scope') ?? '')
      return { kind: 'login', package: name === '' ? null : image(origin, name, '', ''), file: '' }
    }
    case 'search':
      return { kind: 'search', package: null, file: '' }
    default:
      return NOTHING
  }
}

/** The repository of a scope, if it is of one only; else ''. */
function repositoryOf(scope: string): string {
  if (!scope.startsWith(SCOPE) || scope.includes(' ')) return ''
  const end = scope.lastIndexOf(':')
  return end > SCOPE.length ? scope.slice(SCOPE.length, end) : ''
}

/** A mirror is told by `ns` which registry it stands for (containerd, "Registry Host Namespace"). */
function imageOf(
  { query, origin }: ArtifactRequest,
  repository: string,
  digest: string,
  tag: string,
): PackageId | null {
  const registry = query === '' ? origin : (parameterOf(query, 'ns') ?? origin)
  return image(registry, repository, digest, tag)
}

/** The image, as package URLs name it: by the last segment of its repository, which stands in a qualifier. */
function image(registry: string, repository: string, digest: string, tag: string): PackageId | null {
  const encoded = encodedRepository(repository)
  if (encoded === '') return null
  const name = repository.slice(lastIndexIn(repository, '/') + 1).toLowerCase()
  const prefix = qualifierOf(registry)
  if (prefix === '') return { name, version: digest, qualifiers: tag === '' ? '' : `tag=${tag}` }
  const place = prefix + encoded
  return { name, version: digest, qualifiers: tag === '' ? place : `${place}&tag=${tag}` }
}

/** A registry, and what the qualifier of its images begins with: most requests are for the same as the one before. */
const lastRegistry = { registry: '', qualifier: '' }

/** What the qualifier of a registry's images begins with; '' for what is no registry. */
function qualifierOf(registry: string): string {
  if (registry !== lastRegistry.registry) {
    lastRegistry.registry = registry
    lastRegistry.qualifier = REGISTRY.test(registry) ? `repository_url=${encode(registry)}%2F` : ''
  }
  return lastRegistry.qualifier
}

/**
 * A repository's name as a qualifier has it, where nothing but slashes is encoded; '' for what is none. Its segments begin with a letter or
 * digit; capitals are not allowed by the specification, and asked for by mistake.
 */
function encodedRepository(name: string): string {
  if (!isAlphanumeric(name.charCodeAt(0))) return ''
  let encoded = ''
  let start = 0
  for (let i = 1; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code === SLASH) {
      if (!isAlphanumeric(name.charCodeAt(i + 1))) return ''
      encoded += `${name.slice(start, i)}%2F`
      start = i + 1
    } else if (MARKS[code] !== 1) {
      return ''
    }
  }
  return encoded + name.slice(start)
}

function isTag(text: string): boolean {
  const first = text.charCodeAt(0)
  return first !== 0x2e && first !== 0x2d && text.length <= MAX_TAG && consistsOf(text, MARKS)
}

/**
 * The digest that `last`, which begins at `start` and ends with the path, is, in lower case; '' for what is none. Others are not taken for
 * digests: a wrong version is worse than none.
 */
function digestOf({ bytes }: ScannedPath, start: number, last: string): string {
  const algorithm = ALGORITHMS.get(last.length - ALGORITHM_LENGTH)
  if (algorithm === undefined) return ''
  const end = start + last.length
  let seen = 0
  for (let i = start + ALGORITHM_LENGTH; i < end; i++) seen |= HEX[bytes[i] ?? 0] ?? NO_HEX
  if (seen >= NO_HEX) return ''
  if (seen === SMALL && last.startsWith(algorithm)) return last
  const small = last.toLowerCase()
  return small.startsWith(algorithm) ? small : ''
}

/** Whether a text is a digest, in whichever case. */
function isDigest(text: string): boolean {
  const algorithm = ALGORITHMS.get(text.length - ALGORITHM_LENGTH)
  return algorithm !== undefined && text.toLowerCase().startsWith(algorithm) && /^[^:]*:[\da-f]*$/i.test(text)
}

function hexDigits(): Uint8Array {
  const digits = new Uint8Array(256).fill(NO_HEX)
  for (const digit of '0123456789abcdef') digits[digit.charCodeAt(0)] = SMALL
  for (const digit of 'ABCDEF') digits[digit.charCodeAt(0)] = CAPITAL
  return digits
}

/**
 * The identity of a request for a manifest by tag, with the digest that its answer told as version; any other identity as it is, and
 * also where that is no digest. The tag stays.
 */
export function withDigest(identity: Identity, digest: string): Identity {
  const { package: found } = identity
  if (found === null || found.version !== '' || !isDigest(digest)) return identity
  // Only manifests are asked for by tag.
  if (!found.qualifiers.startsWith('tag=') && !found.qualifiers.includes('&tag=')) return identity
  return { ...identity, package: { ...found, version: digest.toLowerCase() } }
}
