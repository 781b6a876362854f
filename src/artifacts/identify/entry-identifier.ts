import { PACKAGE_TEXT_MAX, type AccessEntry } from '../../model/access-entry.ts'
import type { Identity, PackageId } from '../../model/artifact/identity.ts'
import type { Route } from '../../model/route.ts'
import { belowRoute, identify } from '../identify.ts'
import { NOTHING } from '../kind.ts'
import { ECOSYSTEMS } from '../kinds.ts'
import { withDigest } from '../oci.ts'

/** Manifests whose tag is remembered, about 400 bytes each: the newest, over all tenants. */
const MAX_TAGS = 4096

/**
 * Tells what each entry's request was about, in the background, before its row is made. It remembers which digest a tag had, so that a manifest
 * that is then asked for by digest gets its tag: docker and containerd ask by tag, and again by the digest that they were told.
 */
export class EntryIdentifier {
  /** The tag by tenant, route, repository and digest; the oldest first. */
  readonly #tags = new Map<string, string>()

  /** Fills in kind, package, version and qualifiers, once for each entry. Never throws: what cannot be told is nothing. */
  identify(entry: AccessEntry): void {
    const { routed } = entry
    if (routed === null) return
    entry.routed = null
    // A route of no ecosystem has no artifacts.
    if (ECOSYSTEMS[routed.kind].name === '') return
    try {
      fill(entry, this.#identityOf(entry, routed))
    } catch {
      fill(entry, NOTHING)
    }
  }

  #identityOf(entry: AccessEntry, route: Route): Identity {
    const identity = identify(route, entry.method, belowRoute(route, entry.path))
    if (route.kind !== 'oci' || identity.package === null) return identity
    return this.#withTag(entry, entry.digest === '' ? identity : withDigest(identity, entry.digest))
  }

  #withTag(entry: AccessEntry, identity: Identity): Identity {
    const { package: found } = identity
    // A blob's request has no version: its digest is none of an image.
    if (found === null || found.version === '' || identity.kind === 'index') return identity
    const tagAt = tagStart(found)
    const place = tagAt === -1 ? found.qualifiers : found.qualifiers.slice(0, Math.max(0, tagAt - 1))
    const key = `${entry.tenant} ${entry.route} ${place} ${found.name} ${found.version}`
    if (tagAt !== -1) {
      this.#remember(key, found.qualifiers.slice(tagAt + 'tag='.length))
      return identity
    }
    const tag = this.#tags.get(key)
    if (tag === undefined) return identity
    const qualifiers = `${place}${place === '' ? '' : '&'}tag=${tag}`
    return { ...identity, package: { ...found, qualifiers } }
  }

  #remember(key: string, tag: string): void {
    this.#tags.delete(key)
    this.#tags.set(key, tag)
    if (this.#tags.size <= MAX_TAGS) return
    for (const oldest of this.#tags.keys()) {
      this.#tags.delete(oldest)
      return
    }
  }
}

/** Where `tag=` begins in the qualifiers; -1 for none. It is the last of them. */
function tagStart({ qualifiers }: PackageId): number {
  if (qualifiers.startsWith('tag=')) return 0
  const at = qualifiers.indexOf('&tag=')
  return at === -1 ? -1 : at + 1
}

/** Writes an identity into an entry or row, where its texts are not too long to be kept. */
export function fill(
  target: Pick<AccessEntry, 'artifactKind' | 'package' | 'version' | 'qualifiers'>,
  identity: Identity,
): void {
  target.artifactKind = identity.kind
  const { package: found } = identity
  if (found === null) return
  const { name, version, qualifiers } = found
  if (name.length > PACKAGE_TEXT_MAX.package || version.length > PACKAGE_TEXT_MAX.version) return
  if (qualifiers.length > PACKAGE_TEXT_MAX.qualifiers) return
  target.package = name
  target.version = version
  target.qualifiers = qualifiers
}
