import type { LimitPeers } from '../../limits/limiter.ts'
import type { DatabaseUpkeep } from './database.ts'

/** What a gateway is as one of several workers, whose primary has the admin listener and keeps the database. */
export interface WorkerRole {
  /** Pseudonym in Via, shared by all workers. */
  readonly via: string
  /** One of the workers, at each time, is the first, and does what one process of a gateway does. */
  readonly isFirst: boolean
  readonly peers: LimitPeers
}

/** What a gateway is as the only process: it keeps the database. */
export interface AloneRole {
  readonly upkeep: DatabaseUpkeep
}
