import { HANDLE_CONNECTIONS } from '../../store/sql.ts'

/** Of each process that serves: the handle of short statements, the directory's listener, COPY. */
const OF_A_SERVER = HANDLE_CONNECTIONS + 2
/** Of the process that keeps the database: the reader's handle, the roll-ups, and migration or retention. */
const OF_THE_KEEPER = HANDLE_CONNECTIONS + 2

/** PostgreSQL's connections that a gateway of so many processes has at most, a worker that replaces another one included. */
export function connectionsNeeded(workers: number): number {
  if (workers === 1) return OF_A_SERVER + OF_THE_KEEPER
  // The primary of several has a handle of short statements too, and does not serve.
  return HANDLE_CONNECTIONS + OF_THE_KEEPER + (workers + 1) * OF_A_SERVER
}

/** Left for commands, and for whoever looks at the database. */
const RESERVE = 20
/** What the embedded database has at least. */
const LEAST = 50

/** Settings of the embedded database for a gateway of so many processes. Its one role is a superuser: no reserve of the server's would be kept from it. */
export function embeddedSettings(workers: number): Record<string, string> {
  return { max_connections: String(Math.max(LEAST, connectionsNeeded(workers) + RESERVE)) }
}
