import type { Contestant, Setup } from '../harness/setup.ts'
import type { Figure } from '../harness/result.ts'

/** A scenario with figures of its own. */
export interface Extra {
  readonly name: string
  readonly what: string
  run(context: ExtraContext): Promise<readonly Figure[]>
}

export interface ExtraContext {
  readonly setup: Setup
  /** The candidates that take part, running and warm. */
  readonly contestants: readonly Contestant[]
  readonly rounds: number
  readonly seconds: number
  readonly isQuick: boolean
  /** Says what goes on. */
  readonly tell: (line: string) => void
  /** Notes why the run does not count. */
  readonly fail: (problem: string) => void
}
