/** What a signature may be of, beside the body. */
export interface SignedHead {
  /** Names and values in turn, as received. */
  readonly rawHeaders: readonly string[]
  readonly contentType: string | null
  /** The address as the sender wrote it, with its query; null where the gateway does not know how it is reached. */
  readonly url: () => string | null
}

/** What a field is that stands more than once: two readers could take either. */
export const SEVERAL = Symbol('several')

/** A field's only value; null without the field. */
export function fieldOf({ rawHeaders }: SignedHead, name: string): string | typeof SEVERAL | null {
  let found: string | null = null
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== name) continue
    if (found !== null) return SEVERAL
    found = rawHeaders[i + 1] ?? ''
  }
  return found
}
