/** What an upstream has said of its own rate limit; null for what it did not say. */
export interface UpstreamLimit {
  readonly limit: number | null
  readonly remaining: number | null
  /** When `remaining` is full again. */
  readonly resetAt: Date | null
  /** Seconds in which so many as `limit` may come. */
  readonly windowSeconds: number | null
}

/** Reads an entry's `upstream_limit`: `limit=100;remaining=42;reset=1732700000;window=21600`, in any order; what is not understood is passed over. */
export function parseUpstreamLimit(text: string): UpstreamLimit {
  const numbers = new Map<string, number>()
  for (const part of text.split(';')) {
    const [, key, digits] = /^\s*([a-z]+)\s*=\s*(\d{1,15})\s*$/i.exec(part) ?? []
    if (key !== undefined) numbers.set(key.toLowerCase(), Number(digits))
  }
  const reset = numbers.get('reset')
  // Later than any Date can be.
  const resetAt = reset === undefined || reset > 8.64e12 ? null : new Date(reset * 1000)
  return {
    limit: numbers.get('limit') ?? null,
    remaining: numbers.get('remaining') ?? null,
    resetAt,
    windowSeconds: numbers.get('window') ?? null,
  }
}
