import type { ArtifactKind } from '../../model/artifact/identity.ts'
import { Endings } from './endings.ts'

/** A file that a forge makes of a repository, or keeps beside it. */
export interface ForgeFile {
  readonly kind: ArtifactKind
  /** Segments from the root of the host. */
  readonly repository: readonly string[]
  /** Tag, branch or commit; '' where the path does not tell one. */
  readonly ref: string
}

const ARCHIVE_ENDINGS = new Endings([
  '.tar.gz',
  '.tgz',
  '.zip',
  '.tar.bz2',
  '.tar.xz',
  '.tar.zst',
  '.tar',
  '.bundle',
  '.7z',
])
const ARCHIVE_FOLDERS: ReadonlySet<string> = new Set([
  'tarball',
  'zipball',
  'tar.gz',
  'zip',
  'legacy.tar.gz',
  'legacy.zip',
])
const RAW_REFS: ReadonlySet<string> = new Set(['branch', 'tag', 'commit'])

/**
 * The layouts that forges have in common: archives of a ref, raw files, release files. With `/-/` a repository may be nested; without, it
 * is `<owner>/<repository>`, at the root or below `/repos/`, as a word that is a repository's name must not be taken for a marker. Null for
 * any other path.
 */
export function forgeFile(segments: readonly string[]): ForgeFile | null {
  const dash = segments.indexOf('-')
  if (dash >= 2) return ofNested(segments, dash)
  const start = segments[0] === 'repos' ? 1 : 0
  if (segments.length < start + 4 && !(start === 1 && segments.length === 4)) return null
  const repository = segments.slice(start, start + 2)
  return ofTail(repository, segments.slice(start + 2), start === 1)
}

/** `<group>/…/<project>/-/{archive,raw,releases}/…` */
function ofNested(segments: readonly string[], dash: number): ForgeFile | null {
  const repository = segments.slice(0, dash)
  const tail = segments.slice(dash + 2)
  const last = tail.length - 1
  if (last < 1) return null
  switch (segments[dash + 1] ?? '') {
    case 'archive':
      // A branch may hold slashes; the file's name repeats it with dashes, and is one segment.
      return { kind: 'artifact', repository, ref: tail.slice(0, last).join('/') }
    case 'raw':
      return { kind: 'artifact', repository, ref: tail[0] ?? '' }
    case 'releases': {
      const mark = tail.indexOf('downloads')
      if (mark < 1 || mark === last) return null
      const ref = tail.slice(0, mark).join('/')
      return { kind: 'artifact', repository, ref: ref === 'permalink/latest' ? '' : ref }
    }
    default:
      return null
  }
}

/** What stands behind `<owner>/<repository>`, or behind `/repos/` and that, which is a forge's interface for programs. */
function ofTail(
  repository: readonly string[],
  tail: readonly string[],
  isInterface: boolean,
): ForgeFile | null {
  const [word = '', second = ''] = tail
  const rest = tail.slice(1)
  if (rest.length === 0 || rest.at(-1) === '') return isInterface ? releases(repository, tail) : null
  if (word === 'releases') return releases(repository, tail)
  if (word === 'archive' || word === 'get') {
    const ref = withoutArchiveEnding(rest.join('/'))
    return ref === null ? null : { kind: 'artifact', repository, ref: shortRef(ref) }
  }
  if (ARCHIVE_FOLDERS.has(word)) return { kind: 'artifact', repository, ref: shortRef(rest.join('/')) }
  if (word === 'raw') {
    if (rest.length >= 3 && RAW_REFS.has(second)) return { kind: 'artifact', repository, ref: rest[1] ?? '' }
    return rest.length >= 2 && second !== 'refs' ? { kind: 'artifact', repository, ref: second } : null
  }
  if (word === 'commit' && rest.length === 1) {
    const ref = second.endsWith('.patch')
      ? second.slice(0, -6)
      : second.endsWith('.diff')
        ? second.slice(0, -5)
        : ''
    return isCommit(ref) ? { kind: 'artifact', repository, ref } : null
  }
  return null
}

function releases(repository: readonly string[], tail: readonly string[]): ForgeFile | null {
  const [word, second, third] = tail
  if (word !== 'releases') return null
  const last = tail.length - 1
  if (second === undefined) return { kind: 'index', repository, ref: '' }
  if (second === 'latest') {
    if (last === 1) return { kind: 'index', repository, ref: '' }
    return third === 'download' && last === 3 ? { kind: 'artifact', repository, ref: '' } : null
  }
  if (second === 'download' && last >= 3) {
    return { kind: 'artifact', repository, ref: tail.slice(2, last).join('/') }
  }
  if (second === 'assets' && last === 2) return { kind: 'artifact', repository, ref: '' }
  return second === 'tags' && last >= 2
    ? { kind: 'metadata', repository, ref: tail.slice(2).join('/') }
    : null
}

/** Tags and branches are known by their names. */
function shortRef(ref: string): string {
  if (ref.startsWith('refs/tags/')) return ref.slice('refs/tags/'.length)
  return ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : ref
}

function withoutArchiveEnding(text: string): string | null {
  const length = ARCHIVE_ENDINGS.lengthIn(text)
  return length === 0 || length === text.length ? null : text.slice(0, -length)
}

/** A commit's name, whole or shortened (SHA-1 or SHA-256 in hex). */
export function isCommit(text: string): boolean {
  return text.length >= 6 && text.length <= 64 && /^[0-9a-f]*$/.test(text)
}
