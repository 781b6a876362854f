import { setTimeout as pause } from 'node:timers/promises'

/** Resolves after this time. */
export async function wait(ms: number): Promise<void> {
  await pause(ms, undefined, { ref: false })
}

/** Waiting longer is no use. */
export class Hopeless extends Error {}

/**
 * Resolves as soon as `isTrue` does not reject and gives true, looking now and then. Rejects after `timeoutMs`, or at
 * once when `isTrue` throws `Hopeless`.
 */
export async function untilTrue(
  what: string,
  isTrue: () => Promise<boolean> | boolean,
  { timeoutMs = 15_000, everyMs = 10 }: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  let reason: unknown
  for (;;) {
    try {
      if (await isTrue()) return
    } catch (error) {
      if (error instanceof Hopeless) throw error
      reason = error
    }
    if (performance.now() > deadline)
      throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: reason })
    await pause(everyMs)
  }
}
