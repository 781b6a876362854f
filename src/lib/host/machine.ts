import { readFileSync, readlinkSync } from 'node:fs'
import { errorCode } from '../error-code.ts'

/**
 * Names the kernel's life and the process namespace: two processes that have it in common mean the same by a process id. ''
 * where it cannot be told (no Linux, no /proc).
 */
export function machineName(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return ''
  }
}

/** When a process of this machine began, in clock ticks since its boot; '' for one that has ended, or cannot be looked at. */
export function processStart(processId: number): string {
  const [state = '', start = ''] = statOf(processId)
  return isOver(state) ? '' : start
}

/**
 * Whether a process is known to have ended: only that of our own machine can be. One that has its id by now is told from it by
 * `started`, what `processStart` said of it; without that it seems to live.
 */
export function hasEnded(machine: string, processId: number, started = ''): boolean {
  if (machine === '' || machine !== machineName()) return false
  try {
    process.kill(processId, 0)
  } catch (error) {
    // EPERM: it lives, and is another user's.
    return errorCode(error) === 'ESRCH'
  }
  const [state = '', start = ''] = statOf(processId)
  return isOver(state) || (started !== '' && start !== '' && start !== started)
}

/** Killed, and not yet waited for by its parent. */
function isOver(state: string): boolean {
  return state === 'Z' || state === 'X'
}

/** proc(5): fields 3 and 22 of `stat`, counted from the end of the name, which may contain anything. */
function statOf(processId: number): (string | undefined)[] {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return [fields[0], fields[19]]
  } catch {
    return []
  }
}
