/** A secret by which gateways sign their tokens, and know those of each other. */
export interface SigningKey {
  /** Names it in tokens: 16 hexadecimal digits. */
  readonly kid: string
  /** 32 random bytes in base64url. A secret. */
  readonly secret: string
  /** Epoch milliseconds from which on it signs: later than it is known, so that every gateway knows it by then. */
  readonly activeFromMs: number
  /** Epoch milliseconds from which on it signs no more; null while no other takes its place. */
  readonly retiresAtMs: number | null
}

/** The key to sign with now: of those in force, the latest; null for none. */
export function signingKeyAt(keys: readonly SigningKey[], nowMs: number): SigningKey | null {
  let best: SigningKey | null = null
  for (const key of keys) {
    if (key.retiresAtMs !== null && key.retiresAtMs <= nowMs) continue
    if (best === null || isBetter(key, best, nowMs)) best = key
  }
  return best
}

/** One that is not in force yet is better than none. */
function isBetter(one: SigningKey, other: SigningKey, nowMs: number): boolean {
  const isOn = one.activeFromMs <= nowMs
  if (isOn !== other.activeFromMs <= nowMs) return isOn
  return isOn ? one.activeFromMs > other.activeFromMs : one.activeFromMs < other.activeFromMs
}
