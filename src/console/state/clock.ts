/** Runs the callback once, later; the function that it returns calls that off. */
export function after(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms)
  return () => clearTimeout(timer)
}

/**
 * Runs the task at once and `everyMs` after each end of it, never twice at the same time, and not while the page is hidden: it
 * goes on when the page is seen again. The function that it returns ends that, and the signal of a run under way.
 */
export function repeat(everyMs: number, task: (signal: AbortSignal) => Promise<void>): () => void {
  const ended = new AbortController()
  let cancel = (): void => {}
  let isRunning = false
  let dueAtTick = 0
  const run = async (): Promise<void> => {
    cancel()
    if (isRunning || document.hidden || ended.signal.aborted) return
    isRunning = true
    try {
      await task(ended.signal)
    } finally {
      isRunning = false
      dueAtTick = performance.now() + everyMs
      if (!ended.signal.aborted) cancel = after(everyMs, () => void run())
    }
  }
  const onSeen = (): void => {
    if (!document.hidden && performance.now() >= dueAtTick) void run()
  }
  document.addEventListener('visibilitychange', onSeen)
  void run()
  return () => {
    ended.abort()
    cancel()
    document.removeEventListener('visibilitychange', onSeen)
  }
}

/** Resolves after so long, or when the signal says so. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const end = (): void => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = after(ms, end)
    signal.addEventListener('abort', end)
  })
}

/** Runs the task while the page is seen: its signal ends a run when the page is hidden. The function that it returns ends all. */
export function whileSeen(task: (signal: AbortSignal) => Promise<void>): () => void {
  let run: AbortController | null = null
  const change = (): void => {
    if (document.hidden) {
      run?.abort()
      run = null
    } else if (run === null) {
      run = new AbortController()
      void task(run.signal)
    }
  }
  document.addEventListener('visibilitychange', change)
  change()
  return () => {
    document.removeEventListener('visibilitychange', change)
    run?.abort()
  }
}
