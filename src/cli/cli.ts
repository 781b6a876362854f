import type { ServeInput } from '../serve.ts'
import type { Io } from './output/io.ts'

/** What a command group is given when it adds its commands to the program. */
export interface Cli {
  readonly io: Io
  /** Runs the gateway; resolves with the exit code when it has stopped. */
  readonly serve: (input: ServeInput) => Promise<number>
  /** Notes the command's exit code; without a call it is 0. */
  readonly finish: (code: number) => void
}
