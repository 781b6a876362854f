import { type Clock, systemClock } from './clock.ts'

export interface SleepOptions {
  readonly clock?: Clock
  /** Ends the wait when it aborts. */
  readonly signal?: AbortSignal
  /** Nobody waits for it: a process that has nothing else to do ends meanwhile. */
  readonly isBackground?: boolean
}

/** Resolves after `ms`, or when the signal aborts. Never rejects. */
export async function sleep(ms: number, options: SleepOptions = {}): Promise<void> {
  const { clock = systemClock, signal, isBackground = false } = options
  if (signal?.aborted === true) return
  await new Promise<void>((resolve) => {
    const end = (): void => {
      cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const cancel = isBackground ? clock.later(ms, end) : clock.after(ms, end)
    signal?.addEventListener('abort', end)
  })
}

/**
 * Looks at once, then every `everyMs`, and for the last time after `ms`. Resolves true as soon as it is so, false when it is not in
 * time. Rejects as a look does.
 */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  bounds: { readonly everyMs: number; readonly ms: number; readonly clock?: Clock },
): Promise<boolean> {
  const { everyMs, ms, clock = systemClock } = bounds
  const endMs = clock.nowMs() + ms
  for (;;) {
    if (await isSo()) return true
    const leftMs = endMs - clock.nowMs()
    if (leftMs <= 0) return false
    await sleep(Math.min(everyMs, leftMs), { clock })
  }
}
