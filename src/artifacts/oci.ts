import type { ArtifactKind, ArtifactRequest, Identity, PackageId } from '../model/artifact/identity.ts'
import { encode } from '../model/artifact/purl.ts'
import { parameterOf, plainPath } from './identify/decoded.ts'
import { charsWith, consistsOf, isAlphanumeric, lastIndexIn, verbOf, type Verb } from './identify/paths.ts'
import { ecosystem, NOTHING } from './kind.ts'
import { ociChallenge, ociLogin } from './login/oci-login.ts'

// docker reads `errors` of `application/json` and of no other type.
export const oci = ecosystem('oci', {
  identify,
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
function identify(request: ArtifactRequest): Identity {
  const verb = verbOf(request.method)
  if (verb === 'other') return NOTHING
  const path = belowManager(plainPath(request.path))
  return ofRepository(request, verb, path) ?? ofRegistry(request, path)
}

/** The path as a registry at the root of its host has it. */
function belowManager(path: string): string {
  if (path.startsWith('/v2/')) return path
  const folder = MANAGERS.find((start) => path.startsWith(start))
  if (folder === undefined) return path
  const end = path.indexOf('/', folder.length)
  if (end <= folder.length || !path.startsWith('/v2/', end)) return path
  const rest = path.slice(end + '/v2'.length)
  // What is about the registry as a whole.
  if (rest.lastIndexOf('/') === 0) return `/v2${rest}`
  return `/v2/${path.slice(folder.length, end)}${rest}`
}

/** By the last two or three segments; null for a path that is not about a repository. */
function ofRepository(request: ArtifactRequest, verb: Verb, path: string): Identity | null {
  const start = path.startsWith('/v2/') ? '/v2'.length : 0
  const slash = lastIndexIn(path, '/')
  const word = slash > start ? lastIndexIn(path, '/', slash - 1) : -1
  if (word <= start) return null
  const last = path.slice(slash + 1)
  switch (path.charCodeAt(word + 1)) {
    case 0x6d: // m
      if (!path.startsWith('/manifests/', word)) return null
      return ofManifest(request, path.slice(start + 1, word), last)
    case 0x74: // t
      if (last !== 'list' || !path.startsWith('/tags/', word)) return null
      return about(request, verb === 'write' ? 'upload' : 'index', path.slice(start + 1, word), last)
    case 0x72: // r
      if (!path.startsWith('/referrers/', word) || !isDigest(last)) return null
      return ofReferrers(request, path.slice(start + 1, word), last)
    case 0x62: // b
      if (!path.startsWith('/blobs/', word)) return null
      if (last === 'uploads') return about(request, 'upload', path.slice(start + 1, word), last)
      if (!isDigest(last)) return null
      return about(request, verb === 'write' ? 'upload' : 'artifact', path.slice(start + 1, word), last)
    case 0x75: {
      // A session, or the slash behind a list of them.
      const blobs = word - '/blobs'.length
      if (blobs <= start || !path.startsWith('/blobs/uploads/', blobs)) return null
      return about(request, 'upload', path.slice(start + 1, blobs), last)
    }
    default:
      return null
  }
}

function ofManifest(request: ArtifactRequest, repository: string, last: string): Identity | null {
  const kind = verbOf(request.method) === 'write' ? 'upload' : 'metadata'
  if (isDigest(last)) return { kind, package: imageOf(request, repository, last, ''), file: last }
  return isTag(last) ? { kind, package: imageOf(request, repository, '', last), file: last } : null
}

function ofReferrers(request: ArtifactRequest, repository: string, digest: string): Identity {
  const isWrite = verbOf(request.method) === 'write'
  const found = imageOf(request, repository, digest, '')
  return { kind: isWrite ? 'upload' : 'index', package: found, file: isWrite ? digest : '' }
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
  const version = digest === '' ? '' : digest.toLowerCase()
  if (!REGISTRY.test(registry)) return { name, version, qualifiers: tag === '' ? '' : `tag=${tag}` }
  const place = `repository_url=${encode(registry)}%2F${encoded}`
  return { name, version, qualifiers: tag === '' ? place : `${place}&tag=${tag}` }
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

/** Whether a text is a digest, in whichever case. Others are not taken for digests: a wrong version is worse than none. */
function isDigest(text: string): boolean {
  const algorithm = ALGORITHMS.get(text.length - ALGORITHM_LENGTH)
  if (algorithm === undefined) return false
  const isNamed = text.startsWith(algorithm) || text.slice(0, ALGORITHM_LENGTH).toLowerCase() === algorithm
  return isNamed && consistsOf(text, HEX, ALGORITHM_LENGTH)
}

function hexDigits(): Uint8Array {
  const digits = new Uint8Array(128)
  for (const digit of '0123456789abcdefABCDEF') digits[digit.charCodeAt(0)] = 1
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
