import { decodePercent } from '../../lib/percent.ts'

/** A path without a match is read by everybody as it is written. */
const SPECIAL = /[%\\;]|\/[/.]|\.(?:\/|$)|:\$/
/**
 * Longest path that may need a closer look. Object keys have at most 1024 bytes, 3 KiB encoded; and 8 KiB is where many a server ends.
 * Measured: the worst that a search over such paths has found takes 1.1 ms, warm, and time grows with the length and no faster.
 */
const MAX_LENGTH = 8192
/** Most segments of such a path: 8 KiB of base64 have some 128. Measured without this bound: 3.2 ms. */
const MAX_SEGMENTS = 256
/** How often a path may be encoded over again; beyond that it is nobody's honest spelling. */
const MAX_DEPTH = 4
/**
 * Percent-encoded longer than needed (RFC 3629 §3): `%c0%af` is `/` to a careless decoder. Or broken; or a control character, which ends
 * a name to some, and which whoever reads URLs as browsers do leaves out (URL standard §4.4): `.%09.` is `..`.
 */
const WRONG = /%(?:c[01]%[89ab]|e0%[89]|f0%8|[01][0-9a-f]|7f|(?![0-9a-f]{2}))/i
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x1f\x7f]/
const ANY_SEPARATOR = /[/\\]|%(?:2f|5c)/gi
const SEPARATORS = /%(?:2f|5c)|\\/gi
/** Path parameters, and streams of a file as NTFS names them: `x::$DATA`, `x:$I30:$INDEX_ALLOCATION`. */
const PARAMETERS = /(?:;|%3b|::?\$)[^/]*/gi
/** What ends a path to who decodes it and reads the outcome as an address. */
const REST = /[?#].*/s
const BEYOND_ASCII = /[^\0-\x7f]/
const SPACE = 0x20
const DOT = 0x2e

/** Whether a path needs a closer look: whether anybody could read it in another way than as it is written. */
export function isSpecialPath(path: string): boolean {
  return SPECIAL.test(path)
}

/**
 * What servers make of a path, each reading without `.` and empty segments: the first as RFC 3986 §6.2.2 has it, with one decoding and
 * encoded separators left alone; then, as far as the path has what they differ in, those that decode again, take an encoded slash or a
 * backslash for a separator, end it at an encoded `?` or `#`, drop path parameters (RFC 3986 §3.3), or what file systems drop at either
 * end of a name. Of each the first `count` segments and what follows a little. null for a path that nobody may send: `..` in any reading,
 * a control character, a broken or overlong encoding, more than 8 KiB or 256 segments. At most 56 readings.
 */
export function readingsOf(path: string, count: number): ReadonlySet<string> | null {
  if (path.length > MAX_LENGTH || WRONG.test(path) || hasManySegments(path)) return null
  const readings = new Set<string>()
  let text = path
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if ((depth > 0 && hasManySegments(text)) || climbs(text)) return null
    addReadings(firstNames(depth === 0 ? decodePlain(text) : text, count), readings)
    const next = decodeAll(text)
    if (next === text) return readings
    if (CONTROL.test(next) || (depth > 0 && /%(?:c[01]%|e0%[89]|f0%8)/i.test(next))) return null
    text = next
  }
  return null
}

/** Whether it has more segments than are looked at, for whoever sees most in it. */
function hasManySegments(text: string): boolean {
  if (text.length <= MAX_SEGMENTS) return false
  let segments = 0
  ANY_SEPARATOR.lastIndex = 0
  while (ANY_SEPARATOR.test(text)) if (++segments > MAX_SEGMENTS) return true
  return false
}

/** Whether any reading of the text, as far as it is decoded, has `..` for a segment. */
function climbs(text: string): boolean {
  if (!text.includes('..')) return false
  const segments = text.replace(SEPARATORS, '/').replace(PARAMETERS, '').split('/')
  return segments.some(
    (segment) => segment.includes('..') && withoutEdges(segment.replace(REST, '')) === '..',
  )
}

/**
 * The text up to its segment number `count` that is a name to every reader. Nobody's path is shorter than that, so routes are told
 * apart by it.
 */
function firstNames(text: string, count: number): string {
  let names = 0
  for (let at = text.indexOf('/'); at !== -1; at = text.indexOf('/', at + 1)) {
    if (names > count) return text.slice(0, at + 1)
    if (/[\w~@-]/.test(text[at + 1] ?? '')) names++
  }
  return text
}

/** The readings of a text that is decoded as far as it is to be. */
function addReadings(text: string, readings: Set<string>): void {
  for (const ended of variants(text, REST, '')) {
    for (const separated of variants(ended, SEPARATORS, '/')) {
      for (const bare of variants(separated, PARAMETERS, '')) {
        const segments = bare.split('/')
        readings.add(joined(segments))
        readings.add(joined(segments.map(withoutEdges)))
      }
    }
  }
}

/** The text, and the text with every match replaced if that is another. */
function variants(text: string, pattern: RegExp, replacement: string): readonly string[] {
  const other = text.replace(pattern, replacement)
  return other === text ? [text] : [text, other]
}

/** A name without the dots and blanks at its end, as Windows takes it, and without those before it; of `.` and `..` only the blanks go. */
function withoutEdges(segment: string): string {
  const last = segment.charCodeAt(segment.length - 1)
  const first = segment.charCodeAt(0)
  const isWithout = first > SPACE && last > SPACE && last !== DOT
  if (isWithout && !segment.startsWith('%20') && !segment.endsWith('%20')) return segment
  const whole = (segment.includes('%20') ? segment.replaceAll('%20', ' ') : segment).trim()
  if (whole === '.' || whole === '..') return whole
  let end = whole.length
  while (end > 0 && (whole.charCodeAt(end - 1) <= SPACE || whole.charCodeAt(end - 1) === DOT)) end--
  return whole.slice(0, end)
}

/** The path of these segments, without `.` and empty ones, but for the last. */
function joined(segments: readonly string[]): string {
  let path = ''
  for (const segment of segments) if (segment !== '' && segment !== '.') path += `/${segment}`
  const last = segments.at(-1)
  return path === '' || last === '' || last === '.' ? `${path}/` : path
}

/** Decodes once what stands for itself: all but what separates or ends something. */
function decodePlain(text: string): string {
  let from = text.indexOf('%')
  if (from === -1) return text
  let out = text.slice(0, from)
  while (from !== -1) {
    const code = Number.parseInt(text.slice(from + 1, from + 3), 16)
    out += PLAIN[code] ?? text.slice(from, from + 3)
    const next = text.indexOf('%', from + 3)
    out += text.slice(from + 3, next === -1 ? undefined : next)
    from = next
  }
  return out
}

const PLAIN: readonly (string | undefined)[] = Array.from({ length: 256 }, (_, code) => {
  const character = String.fromCodePoint(code)
  return /[\w.~!$&'()*+,=:@-]/.test(character) ? character : undefined
})

/** Decodes once, everything; text beyond ASCII in its compatible form, as some file systems and libraries have it. */
function decodeAll(text: string): string {
  const decoded = decodePercent(text)
  return BEYOND_ASCII.test(decoded) ? decoded.normalize('NFKC') : decoded
}
