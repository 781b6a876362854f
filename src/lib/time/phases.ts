import { systemClock, type Clock } from './clock.ts'
import { within } from './within.ts'

/** One named step of a stop. */
export interface Phase {
  readonly name: string
  /** Longest time for it, in ms; asked when its turn comes. */
  readonly limitMs: () => number
  readonly run: () => unknown
}

/** How a phase went. */
export interface PhaseResult {
  readonly name: string
  readonly ms: number
  readonly error: unknown
}

/** A phase has not ended within its limit. It may still end, and nobody waits for it. */
export class PhaseOverdueError extends Error {
  readonly code = 'phase_overdue'

  constructor(name: string, limitMs: number) {
    super(`${name}: given up after ${Math.round(limitMs)} ms`)
    this.name = 'PhaseOverdueError'
  }
}

/**
 * Runs phases one after the other. One that fails, or hangs beyond its limit, does not keep the next from running: what can be
 * stopped is stopped. `onDone` hears of each as it ends or is given up. Never rejects.
 */
export async function runPhases(
  phases: readonly Phase[],
  onDone: (result: PhaseResult) => void,
  clock: Clock = systemClock,
): Promise<readonly PhaseResult[]> {
  const results: PhaseResult[] = []
  for (const phase of phases) {
    const startedAtMs = clock.nowMs()
    let error: unknown = null
    try {
      await runPhase(phase, clock)
    } catch (thrown) {
      error = thrown
    }
    const result = { name: phase.name, ms: Math.round(clock.nowMs() - startedAtMs), error }
    results.push(result)
    onDone(result)
  }
  return results
}

async function runPhase({ name, limitMs, run }: Phase, clock: Clock): Promise<void> {
  const ms = limitMs()
  const late = (): never => {
    throw new PhaseOverdueError(name, ms)
  }
  await within(
    (async () => {
      await run()
    })(),
    { ms, clock, late },
  )
}
