import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { wait } from './wait.ts'

const STOP_TIMEOUT_MS = 20_000

/** CPU time used so far, in microseconds. */
export interface CpuUs {
  readonly user: number
  readonly system: number
}

/** A process of ours that the bench measures or needs; it ends with the bench. */
export interface Spawned {
  readonly child: ChildProcess
  readonly pid: number
  /** The last lines of its standard error, for messages. */
  stderr(): string
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()

/** Kills what is still running, workers of servers included, when the bench ends before its time. */
export function killAll(): void {
  for (const { pid } of running) {
    for (const each of pid === undefined ? [] : treeOf(pid)) killNow(each)
  }
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

/**
 * Spawns a program with nothing of the caller's environment but PATH and HOME, pinned to these CPUs ("0", "1-3"), or to none
 * when null. `taskset` replaces itself by the program: the process id is the program's.
 */
export function spawnPinned(
  cpus: string | null,
  command: readonly [string, ...string[]],
  options: {
    readonly cwd?: string
    readonly env?: Readonly<Record<string, string>>
    readonly isPiped?: boolean
  },
): Spawned {
  const [program, ...args] = cpus === null ? command : (['taskset', '-c', cpus, ...command] as const)
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', ...options.env },
    // Output that nobody reads would block the program in the end.
    stdio: options.isPiped === true ? 'pipe' : ['ignore', 'ignore', 'pipe'],
  })
  running.add(child)
  child.once('close', () => running.delete(child))
  // A program that is not there: `stderr()` tells, and whoever waits for its port learns of the end.
  let stderr = ''
  child.on('error', (error) => (stderr += error.message))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4000)
  })
  return { child, pid: child.pid ?? 0, stderr: () => stderr, stop: () => stop(child) }
}

/** Whether a child has ended. */
export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined
}

async function stop(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  const late = wait(STOP_TIMEOUT_MS).then(() => hasEnded(child) || child.kill('SIGKILL'))
  await Promise.race([closed, late])
  if (!hasEnded(child)) await closed
}

/** Moves a process and its children to these CPUs; what they start later follows. */
export function pin(pid: number, cpus: string | null): void {
  if (cpus === null) return
  for (const each of treeOf(pid))
    execFileSync('taskset', ['-a', '-p', '-c', cpus, String(each)], { stdio: 'ignore' })
}

/** A process and all its descendants that are alive. */
export function treeOf(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const fields = Number.isInteger(pid) ? statOf(pid) : null
    if (fields !== null) parents.set(pid, Number(fields[1]))
  }
  const tree = [root]
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child)
  return tree
}

/**
 * CPU time of a process, all its threads, and its descendants, those that have ended included (they are added to their
 * parent's sums once it has waited for them). Resolution: 1 / CLK_TCK, 10 ms as a rule.
 */
export function cpuOf(root: number): CpuUs {
  let user = 0
  let system = 0
  for (const pid of treeOf(root)) {
    const fields = statOf(pid)
    if (fields === null) continue
    // proc(5): utime 14, stime 15, cutime 16, cstime 17; `fields` begins with the third.
    user += Number(fields[11]) + Number(fields[13])
    system += Number(fields[12]) + Number(fields[14])
  }
  return { user: user * usPerTick(), system: system * usPerTick() }
}

/** Time for which a CPU has not been idle so far, in microseconds; NaN for none, or where the system does not tell. */
export function busyUsOf(cpu: string | null): number {
  const line = new RegExp(`^cpu${cpu ?? 'none'} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'utf8'))?.[1]
  // proc(5): user nice system idle iowait irq softirq steal …
  const [user, nice, system, , , irq, softirq, steal] = (line ?? '').split(' ').map(Number)
  const ticks = [user, nice, system, irq, softirq, steal].reduce<number>(
    (sum, each) => sum + (each ?? Number.NaN),
    0,
  )
  return ticks * usPerTick()
}

/** Resident memory of a process and its descendants in bytes; pages that they share are counted once for each. */
export function residentBytesOf(root: number): number {
  let bytes = 0
  for (const pid of treeOf(root)) {
    try {
      const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
      bytes += Number(line?.[1] ?? 0) * 1024
    } catch {
      // It ended meanwhile.
    }
  }
  return bytes
}

/** The fields of /proc/<pid>/stat after the program's name, which may contain anything; null when it has ended. */
function statOf(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

let tick = 0
function usPerTick(): number {
  if (tick === 0) tick = 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return tick
}
