import { setTimeout as pause } from 'node:timers/promises'

const DEFAULT_TIMEOUT_MS = 20_000
const POLL_MS = 10

/**
 * Resolves with the first value other than undefined that `look` gives, looking every few milliseconds; for what another
 * process does and cannot tell us of. Rejects with `what`, and with what `describe` says of the state, after `timeoutMs`.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  options: { readonly timeoutMs?: number; readonly describe?: () => unknown } = {},
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await look()
    if (value !== undefined) return value
    if (performance.now() >= deadline) {
      const state = options.describe === undefined ? '' : `: ${JSON.stringify(options.describe())}`
      throw new Error(`not within ${timeoutMs} ms: ${what}${state}`)
    }
    await pause(POLL_MS)
  }
}

/** As `until`, for a condition. */
export async function untilTrue(
  what: string,
  isTrue: () => Promise<boolean> | boolean,
  options: { readonly timeoutMs?: number; readonly describe?: () => unknown } = {},
): Promise<void> {
  await until(what, async () => ((await isTrue()) ? true : undefined), options)
}
