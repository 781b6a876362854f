import type { Readable, Writable } from 'node:stream'

/** The signals that a command may want to hear. */
export type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGUSR2'

/** 0 done; 1 the answer is "no" or a failure at run time; 2 usage or configuration error. */
/** 3: an audit that found no gap, and reaches into what live gateways are still storing. */
export type ExitCode = 0 | 1 | 2 | 3

/** All that a command knows of the process it runs in. `main.ts` makes the real one, tests make their own. */
export interface Io {
  /** Arguments after the program's name. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Absolute path of the working directory. */
  readonly cwd: string
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  /** Which of the three are terminals. */
  readonly isTty: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean }
  /** Width of the terminal in cells; 80 where there is none. */
  readonly columns: number
  /** Epoch milliseconds. */
  now(): number
  /** Calls the listener on each such signal, in place of the default action, until the returned function is called. */
  onSignal(signal: Signal, listener: () => void): () => void
  /** Calls the listener with an uncaught error, before the process ends with status 1. */
  onCrash(listener: (error: unknown) => void): void
  /** Ends the process at once, with or without unread output. */
  exit(code: ExitCode): void
}
