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

/** The reader of stdout has gone away (`| head`). Nothing is wrong: the command ends quietly with 0. */
export class OutputClosedError extends Error {
  readonly code = 'WAYBILL_OUTPUT_CLOSED'

  constructor() {
    super('the reader of the output has closed it')
    this.name = 'OutputClosedError'
  }
}
