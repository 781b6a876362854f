import { readFileSync } from 'node:fs'
import type { Logger } from '../logger/logger.ts'

/** Kept back for the database, the disk, the log, the admin listener and the program itself. */
const RESERVED = 64
const LEAST = 8

/** How many files and sockets this process may have open (`ulimit -n`); null where the system does not tell, as outside Linux. */
export function descriptorLimit(): number | null {
  try {
    return readLimit(readFileSync('/proc/self/limits', 'utf8'))
  } catch {
    return null
  }
}

/** The soft limit in the text of /proc/<pid>/limits; null when it is unlimited, or not there. */
export function readLimit(text: string): number | null {
  const soft = /^Max open files\s+(\d+)\s/m.exec(text)?.[1]
  return soft === undefined ? null : Number(soft)
}

/**
 * Client connections that the descriptors of a process allow: each may need another one to its upstream. Beyond the limit the kernel's
 * answer is that accepted connections are closed without a word, and that the database and the disk cannot be reached.
 */
export function connectionsFor(limit: number | null): number {
  return limit === null ? Infinity : Math.max(LEAST, Math.floor((limit - RESERVED) / 2))
}

/** What is said at the start when a bound is lower than its option. */
export function descriptorNotice(option: number, bound: number, limit: number | null): string {
  return `proxy.maxConnections is ${option}, but ulimit -n (${limit ?? 'unlimited'}) allows ${bound}: more are not accepted; raise ulimit -n`
}

/** Connections that one process may accept: as the option says, or fewer, which is logged unless somebody else does. */
export function boundConnections(option: number, logger: Logger | null): number {
  const limit = descriptorLimit()
  const bound = Math.min(option, connectionsFor(limit))
  if (bound < option) logger?.warn(descriptorNotice(option, bound, limit))
  return bound
}
