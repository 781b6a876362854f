import { decodeEscapes, QueryError } from './query-error.ts'

/** A piece of a question, and where it stands in it, from 0. */
export interface Piece {
  readonly text: string
  readonly offset: number
}

/** One reading of the question: which package is meant. */
export interface PackageReading {
  /** Type of package URL; null for all of them. */
  readonly type: string | null
  /** Namespace, if there is one, a slash, and name; decoded. */
  readonly name: string
  /** A version, a pattern or a range; null for all. Decoded, unless it is a version range specifier. */
  readonly version: Piece | null
  /** Decoded; keys in lower case. */
  readonly qualifiers: ReadonlyMap<string, string>
}

/** Longer ones are a mistake: a name has 512 characters at most. */
const MAX_LENGTH = 2048

/** What types are also called. */
const ALIASES: Readonly<Record<string, string>> = {
  docker: 'oci',
  go: 'golang',
  apt: 'deb',
  debian: 'deb',
  crates: 'cargo',
  python: 'pypi',
  rubygems: 'gem',
}

const NO_QUALIFIERS: ReadonlyMap<string, string> = new Map()

/**
 * Reads the argument of `waybill who`: a package URL, leniently (https://github.com/package-url/purl-spec, "How to parse a purl string":
 * also unescaped, in upper case, with slashes too many, a range for a version), or a bare name, with `@version` or not, in
 * the words of any ecosystem: `@babel/core`, `org.apache.commons:commons-lang3`, `library/debian:12`. A bare name has several readings
 * where ecosystems would read it differently. `types`: those that there are. Throws a QueryError.
 */
export function readPackageQuestion(text: string, types: readonly string[]): PackageReading[] {
  const start = text.length - text.trimStart().length
  const question = text.trim()
  if (question === '')
    throw new QueryError(0, 'a package URL (pkg:npm/left-pad@1.3.0) or the name of a package')
  if (question.length > MAX_LENGTH) throw new QueryError(MAX_LENGTH, `at most ${MAX_LENGTH} characters`)
  const control = /\p{Cc}/u.exec(question)
  if (control !== null) throw new QueryError(start + control.index, 'no control characters')
  const scheme = /^pkg:/i.exec(question)
  if (scheme !== null) return [readPurl({ text: question.slice(4), offset: start + 4 }, types)]
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.exec(question)
  if (address !== null) throw new QueryError(start, 'pkg: or the name of a package, not an address')
  return readBare({ text: question, offset: start })
}

function readPurl(piece: Piece, types: readonly string[]): PackageReading {
  const body = skip(piece, /^\/*/)
  const slash = body.text.indexOf('/')
  const rawType = slash === -1 ? body.text : body.text.slice(0, slash)
  const type = readType({ text: rawType, offset: body.offset }, types)
  if (slash === -1)
    throw new QueryError(body.offset + body.text.length, `a slash and the name of the package`)
  const rest = skip({ text: body.text.slice(slash), offset: body.offset + slash }, /^\/+/)
  const range = versAt(rest.text)
  const { head, qualifiers } =
    range === -1 ? splitQualifiers(rest) : { head: rest, qualifiers: NO_QUALIFIERS }
  const { name, version } = splitVersion(head, range)
  return { type, name: readName(name), version, qualifiers }
}

function readType({ text, offset }: Piece, types: readonly string[]): string {
  const bad = /^[^a-z]|[^a-z0-9.+-]/i.exec(text)
  if (text === '' || bad !== null)
    throw new QueryError(offset + (bad?.index ?? 0), 'the type of the package, such as npm, and a slash')
  const lower = text.toLowerCase()
  const type = Object.hasOwn(ALIASES, lower) ? (ALIASES[lower] ?? lower) : lower
  if (!types.includes(type))
    throw new QueryError(offset, `a type of which there are packages: ${types.join(', ')}`)
  return type
}

/** Where the version is a range specifier, that is, where it begins; -1 for none. It may have any character behind it. */
function versAt(text: string): number {
  return /@\s*vers:/i.exec(text)?.index ?? -1
}

/** Cuts off the subpath, which names a place within the package, and the qualifiers. */
function splitQualifiers({ text, offset }: Piece): { head: Piece; qualifiers: ReadonlyMap<string, string> } {
  const whole = text.split('#', 1)[0] ?? ''
  const mark = whole.indexOf('?')
  if (mark === -1) return { head: { text: whole, offset }, qualifiers: NO_QUALIFIERS }
  const qualifiers = new Map<string, string>()
  let at = offset + mark + 1
  for (const pair of whole.slice(mark + 1).split('&')) {
    const equals = pair.indexOf('=')
    const key = (equals === -1 ? pair : pair.slice(0, equals)).toLowerCase()
    if (pair !== '' && (equals === -1 || !/^[a-z][a-z0-9._-]*$/.test(key)))
      throw new QueryError(at, 'a qualifier such as arch=amd64')
    const value = decodeEscapes(pair.slice(equals + 1), at + equals + 1)
    // One without a value is as if it were not there.
    if (value !== '') qualifiers.set(key, value)
    at += pair.length + 1
  }
  return { head: { text: whole.slice(0, mark), offset }, qualifiers }
}

/** At the last `@`; one that begins a name or a segment of it is a scope. `range`: where a range specifier begins. */
function splitVersion({ text, offset }: Piece, range = versAt(text)): { name: Piece; version: Piece | null } {
  const at = range === -1 ? text.lastIndexOf('@') : range
  if (at === 0 && !text.includes('/')) throw new QueryError(offset, 'the name of the package before @')
  if (at <= 0 || text[at - 1] === '/') return { name: { text, offset }, version: null }
  const version = text.slice(at + 1)
  const start = offset + at + 1
  if (version.trim() === '') throw new QueryError(start, 'a version')
  return {
    name: { text: text.slice(0, at), offset },
    version: { text: range === -1 ? decodeEscapes(version, start) : version.trim(), offset: start },
  }
}

function readName({ text, offset }: Piece): string {
  const bare = text.replace(/\/+$/, '').trim()
  if (bare === '') throw new QueryError(offset, 'the name of the package')
  const decoded = decodeEscapes(bare, offset)
  return decoded
    .split('/')
    .filter((segment) => segment !== '')
    .join('/')
}

const MAVEN = /^([^\s:/@]+):([^\s:/@]+)(?::([^\s:/@]+))?$/
/** A colon behind the last slash is a tag's; one before it a port's. */
const IMAGE = /^((?:[^\s/@]+\/)*[^\s:/@]+):([\w][\w.-]{0,127})$/

function readBare(piece: Piece): PackageReading[] {
  const { name, version } = splitVersion(piece)
  const maven = MAVEN.exec(name.text)
  const readings: PackageReading[] = []
  if (maven !== null) readings.push(mavenReading(name, version, maven))
  const image = IMAGE.exec(name.text)
  if (image !== null) readings.push(imageReading(name, version, image))
  if (readings.length > 0) return readings
  const colon = name.text.indexOf(':')
  if (colon !== -1) throw new QueryError(name.offset + colon, 'no colon, or group:artifact, or image:tag')
  return [{ type: null, name: readName(name), version, qualifiers: NO_QUALIFIERS }]
}

function mavenReading(name: Piece, version: Piece | null, match: RegExpExecArray): PackageReading {
  const [whole, group = '', artifact = '', third] = match
  const ownVersion =
    third === undefined ? null : { text: third, offset: name.offset + whole.length - third.length }
  if (ownVersion !== null && version !== null) throw new QueryError(version.offset - 1, 'one version')
  return {
    type: 'maven',
    name: `${group}/${artifact}`,
    version: version ?? ownVersion,
    qualifiers: NO_QUALIFIERS,
  }
}

function imageReading(name: Piece, version: Piece | null, match: RegExpExecArray): PackageReading {
  const [whole, image = '', tag = ''] = match
  const tagPiece = { text: tag, offset: name.offset + whole.length - tag.length }
  // With a digest behind it, that is the version, and the tag narrows.
  const qualifiers = version === null ? NO_QUALIFIERS : new Map([['tag', tag]])
  return {
    type: 'oci',
    name: readName({ text: image, offset: name.offset }),
    version: version ?? tagPiece,
    qualifiers,
  }
}

function skip({ text, offset }: Piece, pattern: RegExp): Piece {
  const length = pattern.exec(text)?.[0].length ?? 0
  return { text: text.slice(length), offset: offset + length }
}
