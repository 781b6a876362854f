import { decodePercent } from '../lib/percent.ts'
import { identifyGit } from './identify/git-paths.ts'
import { ecosystem, mediaTypeOf, type AccessQuestion, type Need } from './kind.ts'
import { lfsBatch } from './rewrite/lfs-documents.ts'

/** What git itself asks for (gitprotocol-http); git-lfs and a forge's interface ask for all else. */
const SMART = ['/info/refs', '/git-upload-pack', '/git-receive-pack']

/** A Git LFS client asks for 100 objects at once, 12 KiB; some servers allow more. */
const MAX_BATCH_BYTES = 1024 * 1024

export const git = ecosystem('git', {
  holdMs: 60_000,
  access: {
    isWrite: ({ query }) => query !== '' && asksToPush(query),
    ofPost: accessOfPost,
    ofBody: { maxBytes: MAX_BATCH_BYTES, isRead: isLfsDownload },
  },
  identify: identifyGit,
  documents: [lfsBatch],
  // git shows plain text ("remote: …") and nothing else; git-lfs `message` of its own or the plain type of JSON.
  refusalForm: ({ rest }) => (SMART.some((end) => rest.endsWith(end)) ? 'text' : 'json'),
})

/** `git fetch` (gitprotocol-http, service git-upload-pack) and downloads of Git LFS ask by POST. */
function accessOfPost({ rest, head }: AccessQuestion): Need {
  // A forge's own interface, which takes files of any name.
  if (rest.startsWith('/api/')) return 'write'
  const type = mediaTypeOf(head)
  if (type === 'application/x-git-upload-pack-request')
    return rest.endsWith('/git-upload-pack') ? 'read' : 'write'
  if (type !== 'application/vnd.git-lfs+json') return 'write'
  if (rest.endsWith('/info/lfs/locks/verify')) return 'read'
  return rest.endsWith('/info/lfs/objects/batch') ? 'by_body' : 'write'
}

/** `GET …/info/refs?service=git-receive-pack` (gitprotocol-http): the first half of a push, for which servers ask for the right to push. */
function asksToPush(query: string): boolean {
  return /receive[-_]?pack/i.test(decodePercent(query))
}

/**
 * Whether the body of a Git LFS batch (specification "Batch API") asks for a download, beyond doubt: one `operation` in it, in whichever
 * case, as parsers differ in which of two they take; and no escapes, by which a second could be written.
 */
export function isLfsDownload(body: Buffer): boolean {
  const text = body.toString('utf8')
  if (text.includes('\\') || text.match(/"operation"\s*:/gi)?.length !== 1) return false
  try {
    const parsed: unknown = JSON.parse(text)
    return (
      typeof parsed === 'object' &&
      parsed !== null &&
      'operation' in parsed &&
      parsed.operation === 'download'
    )
  } catch {
    return false
  }
}
