import type { Identity, PackageId } from '../../model/artifact/identity.ts'

/** No ecosystem has longer ones: Maven's groups and git's folders, with room. An index of PostgreSQL takes 2,704 bytes. */
const MAX_NAME = 512
const MAX_VERSION = 256

/** The identity without what is no name: see `isSound` and `isText`. */
export function soundIdentity(identity: Identity): Identity {
  const { kind, package: found, file } = identity
  const isNamed = found === null || isSound(found)
  if (isNamed && isText(file)) return identity
  return { kind, package: isNamed ? found : null, file: isText(file) ? file : '' }
}

/** Whether a package can be stored, printed and written as a package URL that reads back the same. */
function isSound({ name, version }: PackageId): boolean {
  if (name.length > MAX_NAME || version.length > MAX_VERSION) return false
  return isText(name) && isText(version) && hasNames(name)
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
