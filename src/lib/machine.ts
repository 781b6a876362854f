import { readFileSync, readlinkSync } from 'node:fs'

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

/** Whether a process is known to have ended: only that of our own machine can be. One that has our id's successor seems to live. */
export function hasEnded(machine: string, processId: number): boolean {
  if (machine === '' || machine !== machineName()) return false
  try {
    process.kill(processId, 0)
    return false
  } catch (error) {
    // EPERM: it lives, and is another user's.
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
