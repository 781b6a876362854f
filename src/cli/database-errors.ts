import type { DatabaseTarget } from '../model/database-target.ts'
import { databaseProblem } from '../store/database-errors.ts'
import { CommandError } from './errors.ts'

/** The failure of a driver as an error of the command, see `databaseProblem`. Null when it is no database error. */
export function databaseError(error: unknown, target: DatabaseTarget): CommandError | null {
  const problem = databaseProblem(error, target)
  return problem === null ? null : new CommandError(problem, { cause: error })
}
