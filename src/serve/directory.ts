import { hostname } from 'node:os'
import type { Options } from '../config/options.ts'
import { DirectoryRefresher } from '../directory/refresher.ts'
import { DatabaseContact } from '../lib/database-contact.ts'
import type { DatabaseClock } from '../lib/database-clock.ts'
import { machineName } from '../lib/machine.ts'
import type { Logger } from '../logger.ts'
import type { DatabaseTarget } from '../model/database-target.ts'
import { openDirectorySource } from '../store/directory-source.ts'
import type { Sql } from '../store/sql.ts'

/** What the answer to a look at the directory may take before the database is said to be away. */
const ANSWER_MS = 1000

/** The directory's looks at the database are regular: they are what tells whether it is there. */
export function databaseContact(options: Options): DatabaseContact {
  return new DatabaseContact(options['directory.pollIntervalMs'] + ANSWER_MS)
}

/** The directory of tenants and keys that one process follows; not started. */
export function openDirectory(parts: {
  readonly instance: string
  readonly target: DatabaseTarget
  readonly control: Sql
  readonly options: Options
  readonly clock: DatabaseClock
  readonly contact: DatabaseContact
  readonly logger: Logger
}): DirectoryRefresher {
  const { instance, target, control, options: o, clock, contact, logger } = parts
  const maxAgeMs = o['directory.maxAgeMs']
  const follower = { instance, host: hostname(), processId: process.pid, machine: machineName(), maxAgeMs }
  return new DirectoryRefresher({
    source: openDirectorySource(target, control, follower, clock),
    options: {
      maxAgeMs,
      pollIntervalMs: o['directory.pollIntervalMs'],
      reconcileIntervalMs: o['directory.reconcileIntervalMs'],
      lastUsedIntervalMs: o['directory.lastUsedIntervalMs'],
    },
    log: logger,
    now: () => clock.nowMs(),
    contact,
  })
}
