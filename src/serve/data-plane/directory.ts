import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Options } from '../../config/options.ts'
import { KeptDirectory } from '../../directory/kept-directory.ts'
import { KeptFolder } from '../../directory/kept-writer.ts'
import { DirectoryRefresher } from '../../directory/refresher.ts'
import { DatabaseContact } from '../../lib/database-contact.ts'
import type { DatabaseClock } from '../../lib/time/database-clock.ts'
import { machineName } from '../../lib/host/machine.ts'
import type { Logger } from '../../logger/logger.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import { openDirectorySource } from '../../store/directory/postgres-source.ts'
import type { Sql } from '../../store/sql.ts'

/** What the answer to a look at the directory may take before the database is said to be away. */
const ANSWER_MS = 1000

/** The directory's looks at the database are regular: they are what tells whether it is there. */
export function databaseContact(options: Options): DatabaseContact {
  return new DatabaseContact(options['directory.pollIntervalMs'] + ANSWER_MS)
}

interface DirectoryParts {
  readonly options: Options
  /** Where this process keeps its state. */
  readonly folder: string
  readonly target: DatabaseTarget
  readonly control: Sql
  readonly clock: DatabaseClock
  readonly contact: DatabaseContact
  readonly instance: string
  /** This start of the gateway, shared by its workers. */
  readonly run: string
  /** Whether it is this process of the gateway that writes tenants and keys to disk. */
  readonly isWriter: boolean
  readonly logger: Logger
}

/** What the data plane knows of tenants and keys: followed in the database, kept on disk. */
export function openDirectory(parts: DirectoryParts): DirectoryRefresher {
  const { options, target, control, clock, contact, instance, logger } = parts
  const maxAgeMs = options['directory.maxAgeMs']
  const follower = { instance, host: hostname(), processId: process.pid, machine: machineName(), maxAgeMs }
  return new DirectoryRefresher({
    keeper: openKeeper(parts),
    source: openDirectorySource(target, control, follower, clock),
    options: {
      maxAgeMs,
      rulesWhenUnknown: options['rules.whenUnknown'],
      pollIntervalMs: options['directory.pollIntervalMs'],
      reconcileIntervalMs: options['directory.reconcileIntervalMs'],
      lastUsedIntervalMs: options['directory.lastUsedIntervalMs'],
    },
    log: logger,
    now: () => clock.nowMs(),
    contact,
  })
}

/** What keeps tenants and keys on disk, as the options say; null for nothing. */
function openKeeper(parts: DirectoryParts): KeptDirectory | null {
  const { options, target, clock, logger } = parts
  const folder = join(parts.folder, 'directory')
  const maxAgeMs = options['directory.diskMaxAgeMs']
  if (maxAgeMs === 0) {
    // What an earlier run has left would grow out of date, and be believed when the option is turned on again.
    new KeptFolder(folder).remove().catch((error: unknown) => {
      logger.warn({ err: error, folder }, 'directory: the snapshot on disk could not be removed')
    })
    return null
  }
  return new KeptDirectory({
    folder,
    // Neither user nor password: who logs in does not make it another database.
    target: `${target.host} ${target.port} ${target.database}`,
    run: parts.run,
    instance: parts.instance,
    isWriter: parts.isWriter,
    maxAgeMs: Math.min(maxAgeMs, options['directory.maxAgeMs']),
    log: logger,
    clockOffsetMs: () => clock.offsetMs,
    onBehind: (ms) => clock.assumeBehind(ms),
  })
}
