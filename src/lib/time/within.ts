import { type Clock, systemClock } from './clock.ts'

/** What was waited for has not come in time. It may still come. */
export class TimeoutError extends Error {
  readonly code = 'ETIMEDOUT'

  constructor(what: string, ms: number) {
    super(`${what}: no answer within ${ms} ms`)
    this.name = 'TimeoutError'
  }
}

/** Who waited has ended the wait: the reason to abort with. */
export class WaitEndedError extends Error {
  readonly code = 'ABORTED'

  constructor() {
    super('the wait was ended')
    this.name = 'WaitEndedError'
  }
}

export interface Bounds {
  readonly ms: number
  readonly clock?: Clock
  /** Ends the wait as well: it rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/**
 * Waits for a call that may never end: its result or its error, and after `ms` a `TimeoutError` that names `what` was waited for, or
 * what `late` returns or throws. The call itself cannot be called back: what it comes to later is ignored. Keeps the process alive
 * for as long as it waits, and leaves no timer. Costs the promise a reaction for as long as the promise lives: not for one that is
 * waited for again and again.
 */
export function within<T, L = never>(
  call: Promise<T>,
  bounds: Bounds & ({ readonly what: string } | { readonly late: () => L }),
): Promise<T | L> {
  const { ms, clock = systemClock, signal } = bounds
  return new Promise((resolve, reject) => {
    const end = (): void => {
      cancel()
      signal?.removeEventListener('abort', abort)
    }
    const abort = (): void => {
      end()
      reject(signal?.reason)
    }
    const cancel = clock.after(ms, () => {
      end()
      if ('what' in bounds) return reject(new TimeoutError(bounds.what, ms))
      try {
        resolve(bounds.late())
      } catch (error) {
        reject(error)
      }
    })
    call.then(
      (value) => {
        end()
        resolve(value)
      },
      (error: unknown) => {
        end()
        reject(error)
      },
    )
    if (signal?.aborted === true) abort()
    else signal?.addEventListener('abort', abort)
  })
}

/** Whether the call has ended by then. Rejects when it does so in time. */
export async function endsWithin(
  call: Promise<unknown>,
  ms: number,
  clock: Clock = systemClock,
): Promise<boolean> {
  return await within(
    call.then(() => true),
    { ms, clock, late: () => false },
  )
}
