/** Parts of a repository's name (OCI distribution specification, "Pulling manifests"): lower case, so nothing in it ends a quoted string. */
const NAME = /^[a-z0-9]+(?:(?:[._]|__|-{1,})[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-{1,})[a-z0-9]+)*)*$/
const MAX_NAME = 255
/** What stands behind a name. The last one counts: a name may hold these words. */
const PARTS = ['/manifests/', '/blobs/', '/tags/', '/referrers/'] as const

/** Whether a text is the name of a repository. */
export function isRepository(text: string): boolean {
  return text.length <= MAX_NAME && NAME.test(text)
}

/** Name of the repository in a path below `/v2/`, as the client wrote it; null for a path that names none. */
export function repositoryIn(rest: string): string | null {
  const end = Math.max(...PARTS.map((part) => rest.lastIndexOf(part)))
  if (end < 1) return null
  const name = rest.slice(0, end)
  return isRepository(name) ? name : null
}
