import type { Logger } from '../../logger/logger.ts'
import type { Sql } from '../../store/sql.ts'
import type { AdminSources } from '../handlers.ts'

/** Where the answers of /api/v1 come from. */
export interface ApiSources {
  /** Changes things, in short statements. */
  readonly control: Sql
  /** Reads for listings and reports; its statements are bounded. */
  readonly reader: Sql
  readonly served: Pick<AdminSources, 'overview' | 'readiness' | 'queries'>
  /** Longest wait for an answer from the database. */
  readonly queryTimeoutMs: number
  /** The token of the configuration; '' for none. */
  readonly token: string
  /** Address or name that the listener was told to listen on. */
  readonly host: string
  readonly version: string
  readonly logger: Logger
}
