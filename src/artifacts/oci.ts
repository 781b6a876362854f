import type { ArtifactKind, ArtifactRequest, Identity, PackageId } from '../model/artifact/identity.ts'
import { decodePercent } from '../lib/percent.ts'
import { encode } from '../model/artifact/purl.ts'
import { arePlain, decodedSegments, parameterOf, verbOf, type Verb } from './identify/decoded.ts'
import { ecosystem, NOTHING } from './kind.ts'

// docker reads `errors` of `application/json` and of no other type.
export const oci = ecosystem('oci', { identify, refusalForm: () => 'json' })

/** Distribution specification, "Pulling manifests": a tag. */
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
/** Image specification, "Digests": the algorithms that have a name. Others are not taken for digests: a wrong version is worse than none. */
const DIGEST = /^sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$/i
/** What a repository's name is made of; capitals are not allowed by the specification, and asked for by mistake. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/
/** Host and port of a registry. */
const HOST = /^[A-Za-z0-9.[\]:-]+$/
/** The scope of a token (Distribution, "Token Scope Documentation"): `repository:<name>:<actions>`. */
const SCOPE = 'repository:'

/**
 * The distribution specification's `/v2/<name>/{manifests,blobs,tags,referrers}/…`. A name may hold those words, so the end of the path
 * decides. A route at `/v2/` has paths without it. A blob's digest is no version of an image: an image is named by its manifest's.
 */
function identify(request: ArtifactRequest): Identity {
  const verb = verbOf(request.method)
  if (verb === 'other') return NOTHING
  const segments = decodedSegments(request.path)
  const start = segments[0] === 'v2' ? 1 : 0
  const last = segments.at(-1) ?? ''
  return ofRepository(request, verb, segments, start) ?? ofRegistry(request, segments.slice(start), last)
}

/** By the last two or three segments; null for a path that is not about a repository. */
function ofRepository(
  request: ArtifactRequest,
  verb: Verb,
  segments: readonly string[],
  start: number,
): Identity | null {
  const count = segments.length
  const word = segments[count - 2] ?? ''
  const last = segments[count - 1] ?? ''
  const isWrite = verb === 'write'
  const about = (kind: ArtifactKind, end: number, version = '', tag = ''): Identity => ({
    kind,
    package: imageOf(request, segments.slice(start, end), version, tag),
    file: kind === 'index' ? '' : last,
  })
  if (count - start < 3) return null
  switch (word) {
    case 'manifests':
      if (DIGEST.test(last)) return about(isWrite ? 'upload' : 'metadata', count - 2, last)
      return TAG.test(last) ? about(isWrite ? 'upload' : 'metadata', count - 2, '', last) : null
    case 'tags':
      return last === 'list' ? about(isWrite ? 'upload' : 'index', count - 2) : null
    case 'referrers':
      return DIGEST.test(last) ? about(isWrite ? 'upload' : 'index', count - 2, last) : null
    case 'blobs':
      if (last === 'uploads') return about('upload', count - 2)
      return DIGEST.test(last) ? about(isWrite ? 'upload' : 'artifact', count - 2) : null
    case 'uploads':
      // A session, or the slash behind a list of them.
      return segments[count - 3] === 'blobs' && count - start > 3 ? about('upload', count - 3) : null
    default:
      return null
  }
}

/** What is about the registry as a whole: its ping, its catalogue, its tokens. */
function ofRegistry(
  { path, query, origin }: ArtifactRequest,
  rest: readonly string[],
  last: string,
): Identity {
  const plain = decodePercent(path)
  if (plain === '/v2' || plain === '/v2/') return { kind: 'login', package: null, file: '' }
  if (rest[0] === '_catalog') return { kind: 'index', package: null, file: '' }
  if (last === 'token' || last === 'auth') {
    const name = repositoryOf(parameterOf(query, 'scope') ?? '')
    return { kind: 'login', package: name === '' ? null : image(origin, name.split('/'), '', ''), file: '' }
  }
  if (last === 'search') return { kind: 'search', package: null, file: '' }
  return NOTHING
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
  names: readonly string[],
  version: string,
  tag: string,
): PackageId | null {
  const registry = query === '' ? origin : (parameterOf(query, 'ns') ?? origin)
  return image(registry, names, version, tag)
}

/** The image, as package URLs name it: by the last segment of its repository, which stands in a qualifier. */
function image(registry: string, names: readonly string[], version: string, tag: string): PackageId | null {
  const name = names.at(-1) ?? ''
  if (!arePlain(names) || !names.every((part) => NAME.test(part))) return null
  const place = HOST.test(registry) ? `repository_url=${encode(`${registry}/${names.join('/')}`)}` : ''
  const more = tag === '' ? '' : `${place === '' ? '' : '&'}tag=${encode(tag)}`
  return { name: name.toLowerCase(), version: version.toLowerCase(), qualifiers: `${place}${more}` }
}

/**
 * The identity of a request for a manifest by tag, with the digest that its answer told as version; any other identity as it is, and
 * also where that is no digest. The tag stays.
 */
export function withDigest(identity: Identity, digest: string): Identity {
  const { package: found } = identity
  if (found === null || found.version !== '' || !DIGEST.test(digest)) return identity
  // Only manifests are asked for by tag.
  if (!found.qualifiers.startsWith('tag=') && !found.qualifiers.includes('&tag=')) return identity
  return { ...identity, package: { ...found, version: digest.toLowerCase() } }
}
