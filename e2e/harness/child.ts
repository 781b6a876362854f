import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** What a finished command left behind. */
export interface Finished {
  /** Exit status, or null when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly cwd: string
  /** The whole environment but PATH. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** After this the command is killed and the call rejects. */
  readonly timeoutMs?: number
}

/** The environment of commands: PATH and what is given, so that nothing of the developer's own settings changes a test. */
export function plainEnv(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', LANG: 'C.UTF-8', ...env }
}

/**
 * Spawns a program with `plainEnv` and nothing else: `env -i` (POSIX) replaces itself by the program, with the same process
 * id. Handing the environment to `spawn` is not enough: tap adds a NODE_OPTIONS to it that loads its own hooks into every
 * Node process below, the product included, which would then not be what users run.
 */
export function spawnPlain(
  program: string,
  args: readonly string[],
  options: {
    readonly cwd: string
    readonly env?: Readonly<Record<string, string>> | undefined
    readonly stdin?: 'ignore' | 'pipe'
    /** In a process group of its own. */
    readonly isLeader?: boolean
  },
): ChildProcess {
  const settings = Object.entries(plainEnv(options.env)).map(([name, value]) => `${name}=${value}`)
  return spawn('env', ['-i', ...settings, program, ...args], {
    cwd: options.cwd,
    stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
    detached: options.isLeader ?? false,
  })
}

/** Whether a child has ended and left its pipes. */
export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/**
 * Runs a command to its end. It gets a process group of its own, which is killed as a whole when the time is over, so
 * that what it started goes as well. Rejects when it cannot be started or takes too long.
 */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<Finished> {
  const child = spawnPlain(program, args, {
    cwd: options.cwd,
    env: options.env,
    stdin: 'pipe',
    isLeader: true,
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  // A command that does not read its input closes the pipe early.
  child.stdin?.on('error', () => {})
  child.stdin?.end(options.input ?? '')
  const timeoutMs = options.timeoutMs ?? 30_000
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    killGroup(child)
  }, timeoutMs)
  try {
    await once(child, 'close')
  } finally {
    clearTimeout(timer)
  }
  if (isLate)
    throw new Error(`${program} ${args.join(' ')} took longer than ${timeoutMs} ms\n${stdout}${stderr}`)
  return { code: child.exitCode, stdout, stderr }
}

/** Kills a detached child and all that it started. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
