import { endOfDigits, isDigit, lastIndexIn } from './paths.ts'

/** A file's name, split where its version begins. */
export interface FileVersion {
  readonly name: string
  /** Without a `v` in front. */
  readonly version: string
}

/** Ends of file names that a version does not go on into. */
const EXTENSIONS: ReadonlySet<string> = new Set([
  ...'tar gz tgz bz2 tbz2 xz txz zst lz lz4 lzma z br zip 7z rar cab dmg iso img qcow2 vhd vmdk ova'.split(
    ' ',
  ),
  ...'exe msi msix pkg deb rpm apk snap appimage flatpak jar war ear aar whl egg gem crate nupkg vsix'.split(
    ' ',
  ),
  ...'bin run sh ps1 txt md pdf html xml json jsonl yaml yml toml csv so dll dylib wasm js mjs css map'.split(
    ' ',
  ),
])
/** What makes the part behind a version one more part of it: a release candidate, a build. */
const PRE_RELEASE =
  /^(?:(?:alpha|beta|rc|pre|preview|dev|snapshot|final|ga|sp|build|patch|update|nightly)\d*|[abmpr]\d+)$/i
/** What a file was made for, of which a version may follow: `tool-ubuntu-22.04.zip` says nothing of the tool's. */
const PLATFORMS: ReadonlySet<string> = new Set(
  'linux ubuntu debian alpine fedora centos rhel el rocky sles macos macosx osx darwin windows win ios android glibc musl cuda rocm jdk java jre node python py php ruby scala'.split(
    ' ',
  ),
)
/** Numbers that name a processor. */
const PROCESSORS: ReadonlySet<string> = new Set(['32', '64', '386', '486', '586', '686'])

/**
 * Name and version of `<name>[-_]v?<version>[-_.]…<extension>`, where the version has a dot or is a date; null where there is no such, or
 * where two versions follow each other, so that nobody can tell which is the file's.
 */
export function versionInFile(file: string): FileVersion | null {
  if (file.endsWith('.rpm')) return ofRpm(file)
  const stem = withoutExtensions(file)
  for (let at = 1; at < stem.length; at++) {
    const mark = stem.charCodeAt(at - 1)
    if (mark !== 0x2d && mark !== 0x5f) continue
    const start = isV(stem.charCodeAt(at)) ? at + 1 : at
    const end = endOfVersion(stem, start)
    if (end === start || at === 1) continue
    const name = stem.slice(0, at - 1)
    return isVersionNext(stem, end) || isOfPlatform(name) ? null : { name, version: stem.slice(start, end) }
  }
  return ofJoined(stem)
}

/** Whether a text is wholly a version: `1.2.3`, `v1.2.3-rc.1`; one number alone is none. */
export function isVersion(text: string): boolean {
  const start = isV(text.charCodeAt(0)) ? 1 : 0
  if (!isDigit(text.charCodeAt(start))) return false
  const end = endOfVersion(text, start)
  return end > start && end === text.length
}

/** The file `name-version` of a directory that is a version, if its name holds that version: `kafka_2.13-3.7.0` in `3.7.0`. */
export function versionOfFolder(file: string, folder: string): FileVersion | null {
  const version = isV(folder.charCodeAt(0)) ? folder.slice(1) : folder
  for (let at = file.indexOf(version, 2); at !== -1; at = file.indexOf(version, at + 1)) {
    const name = endOfName(file, at)
    const next = file.charCodeAt(at + version.length)
    const isWhole = Number.isNaN(next) || (!isDigit(next) && !isDotAndDigit(file, at + version.length))
    if (name > 0 && isWhole) return withPreRelease(file, name, at, at + version.length)
  }
  return null
}

/** Where the name ends in front of a version at `at`: before its dash, and its `v`; 0 where there is no dash. */
function endOfName(file: string, at: number): number {
  const mark = isV(file.charCodeAt(at - 1)) ? at - 2 : at - 1
  const code = file.charCodeAt(mark)
  return code === 0x2d || code === 0x5f ? mark : 0
}

/** The folder of a release may hold its candidates as well; what is behind the folder's version is not lost. */
function withPreRelease(file: string, name: number, start: number, end: number): FileVersion | null {
  const stem = withoutExtensions(file)
  const whole = end > stem.length ? end : endOfVersion(stem, start)
  return { name: file.slice(0, name), version: file.slice(start, Math.max(end, whole)) }
}

/** `<letters>1.2.3`, as some compilers are called; three numbers at least, since two may belong to the name. */
function ofJoined(stem: string): FileVersion | null {
  let at = 0
  while (isLetter(stem.charCodeAt(at))) at++
  if (at < 2 || !isDigit(stem.charCodeAt(at))) return null
  const end = endOfNumbers(stem, at, 3)
  const next = stem.charCodeAt(end)
  if (end === at || !(Number.isNaN(next) || next === 0x2d || next === 0x2e)) return null
  return { name: stem.slice(0, at), version: stem.slice(at, end) }
}

/** `name-version-release.arch.rpm` (rpm, "NEVRA"): split from the end, so certain. */
function ofRpm(file: string): FileVersion | null {
  const stem = file.slice(0, -'.rpm'.length)
  const arch = stem.lastIndexOf('.')
  const release = stem.lastIndexOf('-', arch)
  const version = stem.lastIndexOf('-', release - 1)
  if (arch === -1 || release < 1 || version < 1 || !isDigit(stem.charCodeAt(version + 1))) return null
  return { name: stem.slice(0, version), version: stem.slice(version + 1, arch) }
}

/** Where the version that begins at `start` ends; `start` where none does. */
function endOfVersion(text: string, start: number): number {
  const date = endOfDate(text, start)
  let end = date === start ? endOfNumbers(text, start, 2) : date
  if (end === start) return start
  end = endOfSuffix(text, end)
  for (;;) {
    const mark = text.charCodeAt(end)
    if (mark !== 0x2d && mark !== 0x5f && mark !== 0x2b && mark !== 0x7e) return end
    if (isVersionNext(text, end)) return end
    const next = endOfPart(text, end + 1)
    if (mark !== 0x2b && mark !== 0x7e && !isPreRelease(text.slice(end + 1, next))) return end
    if (next === end + 1) return end
    end = endOfNumberedPart(text, next)
  }
}

/** At least `count` numbers with dots between them. */
function endOfNumbers(text: string, start: number, count: number): number {
  let end = start
  for (let number = 1; ; number++) {
    const from = end
    while (isDigit(text.charCodeAt(end))) end++
    if (end === from) return start
    if (!isDotAndDigit(text, end)) return number >= count ? end : start
    end++
  }
}

/** `1.2.3rc1`, `1.2.3.beta2`, `1.1.1w`: letters that belong to the number in front. */
function endOfSuffix(text: string, end: number): number {
  const start = text.charCodeAt(end) === 0x2e ? end + 1 : end
  // All of what may follow begins with a letter.
  if (!isLetter(text.charCodeAt(start))) return end
  const next = endOfPart(text, start)
  const part = text.slice(start, next)
  if (part.length === 1 && start === end && isLetter(part.charCodeAt(0))) return next
  return part !== '' && PRE_RELEASE.test(part) ? endOfNumberedPart(text, next) : end
}

/** Letters and digits, up to any mark. */
function endOfPart(text: string, start: number): number {
  let end = start
  while (isLetter(text.charCodeAt(end)) || isDigit(text.charCodeAt(end))) end++
  return end
}

/** Numbers behind a dot: the rest of `rc.1`, `build.4`. */
function endOfNumberedPart(text: string, end: number): number {
  let at = end
  while (isDotAndDigit(text, at)) at = endOfPart(text, at + 1)
  return at
}

/** `20240102` or `2024-01-02`, of this or the last century. */
function endOfDate(text: string, start: number): number {
  const century = text.charCodeAt(start)
  if (century !== 0x31 && century !== 0x32) return start
  const found = /^(?:19|20)\d\d(-?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?![\dA-Za-z])/.exec(
    text.slice(start, start + 11),
  )
  return found === null ? start : start + found[0].length
}

function isPreRelease(part: string): boolean {
  if (!isDigit(part.charCodeAt(0))) return PRE_RELEASE.test(part)
  return endOfDigits(part, 0) === part.length && !PROCESSORS.has(part)
}

/** Whether the last part of a name is a platform, and not all of it. */
function isOfPlatform(name: string): boolean {
  const mark = Math.max(lastIndexIn(name, '-'), lastIndexIn(name, '_'))
  return mark > 0 && PLATFORMS.has(name.slice(mark + 1).toLowerCase())
}

/** Whether a version follows the one that ends here, at once. */
function isVersionNext(stem: string, end: number): boolean {
  const mark = stem.charCodeAt(end)
  if (mark !== 0x2d && mark !== 0x5f) return false
  const start = isV(stem.charCodeAt(end + 1)) ? end + 2 : end + 1
  return endOfNumbers(stem, start, 2) > start
}

/** A file's name without up to three known endings; all of it where nothing would be left. */
export function withoutExtensions(file: string): string {
  let stem = file
  for (let i = 0; i < 3; i++) {
    const dot = lastIndexIn(stem, '.')
    if (dot < 1 || !EXTENSIONS.has(stem.slice(dot + 1).toLowerCase())) break
    stem = stem.slice(0, dot)
  }
  return stem
}

function isDotAndDigit(text: string, at: number): boolean {
  return text.charCodeAt(at) === 0x2e && isDigit(text.charCodeAt(at + 1))
}

function isV(code: number): boolean {
  return code === 0x76 || code === 0x56
}

function isLetter(code: number): boolean {
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x7a
}
