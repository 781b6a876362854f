import type { StateReason } from '../../admin/handlers.ts'
import type { Logger } from '../../logger/logger.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import { missingOfTenantScope, readConnectionBound } from '../../store/database-fitness.ts'
import { closeSql, openReader, type Sql } from '../../store/sql.ts'

const STATEMENT_TIMEOUT_MS = 10_000

export interface DatabaseChecksParts {
  readonly readerTarget: DatabaseTarget
  /** Processes that serve. */
  readonly workers: number
  /** Connections that all of them have at most. */
  readonly needed: number
  /** Folder of the embedded database, when that serves although nobody asked for it; else null. */
  readonly embeddedIn: string | null
  readonly logger: Logger
}

/**
 * What is not as it should be of the database, although it serves: for the log, once each, and for `/readyz`. Looked at anew at each
 * `run`, so that what an administrator mends is gone within the hour.
 */
export class DatabaseChecks {
  readonly #parts: DatabaseChecksParts
  readonly #embedded: readonly StateReason[]
  #found: readonly StateReason[] = []

  constructor(parts: DatabaseChecksParts) {
    this.#parts = parts
    this.#embedded = parts.embeddedIn === null ? [] : [embeddedWarning(parts.embeddedIn)]
    for (const { detail } of this.#embedded) parts.logger.warn(detail)
  }

  get warnings(): readonly StateReason[] {
    return [...this.#embedded, ...this.#found]
  }

  /** Looks. Never rejects: what cannot be asked now is asked at the next run, and what was found until then stays. */
  async run(control: Sql): Promise<void> {
    const { logger, readerTarget } = this.#parts
    const reader = openReader(readerTarget, { statementTimeoutMs: STATEMENT_TIMEOUT_MS, max: 1 })
    try {
      const found = [...(await this.#connections(control)), ...(await scope(control, reader))]
      const known = new Set(this.#found.map(({ detail }) => detail))
      for (const { detail } of found) if (!known.has(detail)) logger.warn(detail)
      this.#found = found
    } catch (error) {
      logger.debug({ err: error }, 'the database was not checked')
    } finally {
      await closeSql(reader, 0).catch(() => {})
    }
  }

  async #connections(control: Sql): Promise<StateReason[]> {
    const { workers, needed } = this.#parts
    const bound = await readConnectionBound(control)
    if (bound === null || bound.connections >= needed) return []
    const detail = `the database allows ${bound.connections} connections (${bound.by}), and this gateway has up to ${needed} with ${workers} ${workers === 1 ? 'process' : 'workers'}: commands and other gateways may find none; raise that, or lower workers`
    return [{ code: 'database_connections', detail }]
  }
}

async function scope(control: Sql, reader: Sql): Promise<StateReason[]> {
  const missing = await missingOfTenantScope(control, reader)
  if (missing.length === 0) return []
  const detail = `row level security is not in force (${missing.join('; ')}): only the queries keep tenants apart; see docs/operating.md, Roles`
  return [{ code: 'row_security', detail }]
}

function embeddedWarning(folder: string): StateReason {
  const detail = `DATABASE_URL is not set: the access log, tenants and keys are in the embedded PostgreSQL in ${folder}, on this machine alone; for production set DATABASE_URL, or database.url: embedded if this is meant`
  return { code: 'embedded_database', detail }
}
