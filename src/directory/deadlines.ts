/** Calls `run` once after `ms`, and returns what prevents it. */
export type Schedule = (run: () => void, ms: number) => () => void

/** The real clock's `Schedule`. */
export function scheduleTimer(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms)
  return () => {
    clearTimeout(timer)
  }
}

/** Bounds the waits for promises that may never settle, and can end all of them at once. */
export class Deadlines {
  readonly #schedule: Schedule
  readonly #aborts = new Set<() => void>()

  constructor(schedule: Schedule) {
    this.#schedule = schedule
  }

  /** The promise's result, or a rejection with code ETIMEDOUT after `ms`; what it settles to later is ignored. */
  within<T>(promise: Promise<T>, ms: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = () => {
        cancel()
        this.#aborts.delete(abort)
      }
      const abort = () => {
        end()
        reject(codedError('ABORTED', 'the wait was ended'))
      }
      const cancel = this.#schedule(() => {
        end()
        reject(codedError('ETIMEDOUT', `no answer within ${ms} ms`))
      }, ms)
      this.#aborts.add(abort)
      promise.then(
        (value) => {
          end()
          resolve(value)
        },
        (error: unknown) => {
          end()
          reject(error instanceof Error ? error : new Error(String(error)))
        },
      )
    })
  }

  /** Ends every wait under way with a rejection, code ABORTED, and clears its timer. */
  abort(): void {
    for (const abort of this.#aborts) abort()
  }
}

function codedError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
