/** One named step of a start or stop. */
export interface Phase {
  readonly name: string
  readonly run: () => unknown
}

/** How a phase went. */
export interface PhaseResult {
  readonly name: string
  readonly ms: number
  readonly error: unknown
}

/**
 * Runs phases one after the other. A failing one does not keep the next from running: what can be stopped is stopped. `onDone` hears
 * of each as it ends. Never rejects.
 */
export async function runPhases(
  phases: readonly Phase[],
  onDone: (result: PhaseResult) => void,
): Promise<readonly PhaseResult[]> {
  const results: PhaseResult[] = []
  for (const { name, run } of phases) {
    const startedAt = performance.now()
    let error: unknown = null
    try {
      await run()
    } catch (thrown) {
      error = thrown
    }
    const result = { name, ms: Math.round(performance.now() - startedAt), error }
    results.push(result)
    onDone(result)
  }
  return results
}
