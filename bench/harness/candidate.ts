import type { Database } from './database.ts'
import type { Placement } from './machine.ts'

/** What a candidate needs to start. */
export interface Surroundings {
  readonly upstreamPort: number
  readonly placement: Placement
  /** A folder of its own. */
  readonly folder: string
  readonly newDatabase: (name: string) => Promise<Database>
  /** Lets nobody into the database any more and breaks off who is in it. */
  readonly cutOff: (database: Database) => Promise<void>
  /** The database server's postmaster; null when it is not on this machine. */
  readonly databasePid: number | null
}

/** One of the things that are compared. */
export interface Candidate {
  readonly name: string
  /** What it does, in a line for the table's legend. */
  readonly what: string
  /** What would have to be installed for it, or null. */
  missing(): string | null
  start(surroundings: Surroundings): Promise<Running>
}

/** A candidate that listens. */
export interface Running {
  readonly port: number
  /** Its process, the root of all of its; null for the upstream itself. */
  readonly pid: number | null
  /** Keys that requests present in turn; none where no key is asked for. */
  readonly keys: readonly string[]
  readonly log: RequestLog | null
  stop(): Promise<void>
}

/** The log that a candidate writes, to be compared with what was sent. */
export interface RequestLog {
  /** The whole database server's process, for its CPU time. */
  readonly databasePid: number | null
  /**
   * Resolves once at most one batch, which waits for its timer, is not stored of this many entries since the start. Such a rest is
   * there before and after each measurement, and waiting for the timer would be measured with it.
   */
  catchUp(entries: number): Promise<void>
  /** Resolves once this many entries since the start have been dealt with, and none is on its way any more. */
  settle(entries: number): Promise<void>
  /** Entries since the start: rows in the table, counted. */
  stored(): Promise<number>
  /** False for a candidate that is measured with its log out of reach: then `stored` tells what it accepted. */
  readonly isStored: boolean
}
