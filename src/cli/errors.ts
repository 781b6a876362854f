/** What is wrong with a command line, all of it, one line each. Exit code 2. */
export class UsageError extends Error {
  readonly code = 'WAYBILL_USAGE'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'UsageError'
    this.problems = problems
  }
}

/** A failure at run time that the user can understand and act on; the message says how. Exit code 1. */
export class CommandError extends Error {
  readonly code = 'WAYBILL_COMMAND'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
  }
}

/** There is no database where the command was told, or left, to look for one. Exit code 2. */
export class NoDatabaseError extends Error {
  readonly code = 'WAYBILL_NO_DATABASE'

  /** `stateDir`: the folder that was looked at. */
  constructor(stateDir: string) {
    super(
      `there is no embedded database in ${stateDir}, and DATABASE_URL is not set: set it, or go to the gateway's folder or name it (--state-dir); "waybill serve" and "waybill migrate" make a database`,
    )
    this.name = 'NoDatabaseError'
  }
}

/** The reader of stdout has gone away (`| head`). Nothing is wrong: the command ends quietly with 0. */
export class OutputClosedError extends Error {
  readonly code = 'WAYBILL_OUTPUT_CLOSED'

  constructor() {
    super('the reader of the output has closed it')
    this.name = 'OutputClosedError'
  }
}
