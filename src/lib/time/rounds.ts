/**
 * A job that is done at an interval and when it is asked for, never twice at a time, and never queued: a tick while it runs is passed
 * over, and who asks while it runs has it run once more, however many ask.
 */
export class Rounds {
  readonly #job: () => Promise<void>
  readonly #onError: (error: unknown) => void
  #running: Promise<void> | null = null
  #isAsked = false
  #timer: NodeJS.Timeout | null = null

  /** `onError` hears of what the job rejects with. */
  constructor(job: () => Promise<void>, onError: (error: unknown) => void) {
    this.#job = job
    this.#onError = onError
  }

  /** The first round at once. `onTick` is called at each later one's time, run or not. */
  start(intervalMs: number, onTick: () => void = () => {}): void {
    this.ask()
    this.#timer = setInterval(() => {
      onTick()
      if (this.#running === null) this.ask()
    }, intervalMs)
    this.#timer.unref()
  }

  /** A round as soon as may be. Never throws. */
  ask(): void {
    if (this.#running === null) this.#running = this.#run()
    else this.#isAsked = true
  }

  /** No tick starts a round any more. Resolves when what was asked for has been done, `ms` later at most. */
  async stop(ms: number): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    await atMost(this.#running ?? Promise.resolve(), ms)
  }

  async #run(): Promise<void> {
    do {
      this.#isAsked = false
      await Promise.resolve().then(this.#job).catch(this.#onError)
    } while (this.#isAsked)
    this.#running = null
  }
}

/** Resolves when the promise does, or after `ms`; rejects when it rejects before. */
export async function atMost(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  try {
    await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}
