import type { Identity, PackageId } from '../../model/artifact/identity.ts'

/** No ecosystem has longer ones: Maven's groups and git's folders, with room. An index of PostgreSQL takes 2,704 bytes. */
const MAX_NAME = 512
const MAX_VERSION = 256
/** Printable ASCII; as the expression below read once, and twice as fast as by a loop. */
const PRINTABLE = /^[ -~]*$/
/** What is printable and stands for itself, so that nothing else can be told from it. */
const LITERAL = /^[ -$&-~]*$/
/** Only `capText` puts it into a path: an address has none but `%E2%80%A6`. */
const CUT_MARK = '…'

/** Whether all that is told from a text is printable, without a look at it. */
export function isLiteral(text: string): boolean {
  return LITERAL.test(text)
}

/** Whether an entry's path was too long for it: what it ends in is not known. */
export function isCut(path: string): boolean {
  return path.includes(CUT_MARK)
}

/** The identity of a literal request without what is no name. */
export function literalIdentity(identity: Identity): Identity {
  const { kind, package: found, file } = identity
  return found === null || (isShort(found) && hasNames(found.name)) ? identity : { kind, package: null, file }
}

/** The identity without what is no name, and what cannot be stored or printed. */
export function soundIdentity(identity: Identity): Identity {
  const { kind, package: found, file } = identity
  const isNamed = found === null || isSound(found)
  if (isNamed && isText(file)) return identity
  return { kind, package: isNamed ? found : null, file: isText(file) ? file : '' }
}

/** Whether a package can be stored, printed and written as a package URL that reads back the same. */
function isSound(found: PackageId): boolean {
  return isShort(found) && isText(found.name) && isText(found.version) && hasNames(found.name)
}

function isShort({ name, version }: PackageId): boolean {
  return name.length <= MAX_NAME && version.length <= MAX_VERSION
}

/** Whether each segment is a name: not empty, `.` or `..`, which package URLs leave out. */
function hasNames(name: string): boolean {
  let start = 0
  for (;;) {
    const slash = name.indexOf('/', start)
    const end = slash === -1 ? name.length : slash
    if (end === start || (name.charCodeAt(start) === 0x2e && isDots(name, start, end))) return false
    if (slash === -1) return true
    start = slash + 1
  }
}

function isDots(text: string, start: number, end: number): boolean {
  return end - start === 1 || (end - start === 2 && text.charCodeAt(start + 1) === 0x2e)
}

/** Whether a text has neither control characters (C0, DEL, C1) nor halves of surrogate pairs. */
function isText(text: string): boolean {
  if (PRINTABLE.test(text)) return true
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false
    if (code < 0xd800 || code > 0xdfff) continue
    const next = text.charCodeAt(i + 1)
    if (code > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return false
    i++
  }
  return true
}
