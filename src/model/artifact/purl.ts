import type { PackageId } from './identity.ts'

/** What a package URL leaves as it is; also `:`, see `encode`. */
const PLAIN = /^[A-Za-z0-9._~:-]*$/

/**
 * The package URL in canonical form (https://github.com/package-url/purl-spec, "Rules for each purl component"): all but letters,
 * digits, `.-_~` and `:` is percent-encoded, the slashes between segments of a name excepted. `type` is lower case.
 */
export function purlOf(type: string, { name, version, qualifiers }: PackageId): string {
  const at = version === '' ? '' : `@${encode(version)}`
  const more = qualifiers === '' ? '' : `?${qualifiers}`
  return `pkg:${type}/${PLAIN.test(name) ? name : name.split('/').map(encode).join('/')}${at}${more}`
}

/** A part of a package URL, encoded. Lone surrogates become U+FFFD. */
export function encode(part: string): string {
  if (PLAIN.test(part)) return part
  return encodeURIComponent(Buffer.from(part).toString())
    .replaceAll('%3A', ':')
    .replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}
