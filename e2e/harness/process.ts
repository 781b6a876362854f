import { readdir } from 'node:fs/promises'
import type { TestGateway } from './gateway.ts'

/** Resident memory of the gateway in bytes, as it tells itself. */
export async function residentBytes(gateway: TestGateway): Promise<number> {
  return (await gateway.metrics()).sum('process_resident_memory_bytes')
}

/** Open descriptors of a process; null where the system does not tell (no /proc). */
export async function openDescriptors(pid: number): Promise<number | null> {
  try {
    return (await readdir(`/proc/${pid}/fd`)).length
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is there, and another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
