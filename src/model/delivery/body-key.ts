/** A key that bodies are encrypted with at rest. */
export interface BodyKey {
  /** 1 to 32 of a-z, 0-9, `-` and `_`. */
  readonly id: string
  /** 32 bytes. */
  readonly key: Buffer
}

/** Reads `id:base64,id:base64`; null for what is none of that, [] for ''. */
export function bodyKeys(text: string): BodyKey[] | null {
  const keys: BodyKey[] = []
  for (const part of text.split(',').filter((each) => each !== '')) {
    const [, id, base64] = /^([a-z0-9_-]{1,32}):([A-Za-z0-9+/]{43}=)$/.exec(part.trim()) ?? []
    if (id === undefined || base64 === undefined) return null
    keys.push({ id, key: Buffer.from(base64, 'base64') })
  }
  return keys
}
