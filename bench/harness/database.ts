import { readFileSync } from 'node:fs'
import pg from 'pg'

/** A database of one candidate. */
export interface Database {
  readonly url: string
  query<Row extends pg.QueryResultRow>(sql: string, params?: readonly unknown[]): Promise<Row[]>
}

/** The PostgreSQL server that the environment names. */
export class DatabaseServer {
  readonly #url: string
  readonly #pools: pg.Pool[] = []
  readonly #names: string[] = []
  readonly #prefix = `waybill_bench_${process.pid}_`

  constructor() {
    this.#url = process.env['WAYBILL_TEST_DATABASE_URL'] ?? ''
    if (this.#url === '') {
      throw new Error(
        'WAYBILL_TEST_DATABASE_URL is not set: run through "node dist/test/with-postgres.js -- …"',
      )
    }
  }

  /** Makes an empty database. */
  async create(name: string): Promise<Database> {
    const full = this.#prefix + name.replaceAll(/[^a-z0-9]/g, '_')
    await this.#onServer((server) => server.query(`CREATE DATABASE ${full} TEMPLATE template0`))
    this.#names.push(full)
    const url = new URL(this.#url)
    url.pathname = `/${full}`
    const pool = new pg.Pool({ connectionString: url.href, max: 1, application_name: 'waybill bench' })
    pool.on('error', () => {})
    this.#pools.push(pool)
    return { url: url.href, query: async (sql, params = []) => (await pool.query(sql, [...params])).rows }
  }

  /** The postmaster; null when the server does not run on this machine where we see it. */
  async pid(): Promise<number | null> {
    return this.#onServer(async (server) => {
      const { rows } = await server.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
      const backend = rows[0]?.pid ?? 0
      const parent = nameOf(backend) === 'postgres' ? parentOf(backend) : 0
      // On another machine these are numbers of other processes there, and of strangers here.
      return nameOf(parent) === 'postgres' ? parent : null
    })
  }

  /** Version and the settings that matter for its cost. */
  async describe(): Promise<string> {
    return this.#onServer(async (server) => {
      const { rows } = await server.query<{ name: string; setting: string }>(
        `SELECT name, setting FROM pg_settings
         WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes') ORDER BY name DESC`,
      )
      return rows.map(({ name, setting }) => `${name} ${setting}`).join(', ')
    })
  }

  /** Lets nobody into a database any more, and breaks off who is in it. */
  async cutOff(database: Database): Promise<void> {
    const name = new URL(database.url).pathname.slice(1)
    await this.#onServer(async (server) => {
      await server.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS false`)
      await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name])
    })
  }

  /** Drops all that was made. */
  async destroy(): Promise<void> {
    for (const pool of this.#pools) await pool.end()
    await this.#onServer(async (server) => {
      for (const name of this.#names) await server.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    })
  }

  async #onServer<T>(use: (server: pg.Client) => Promise<T>): Promise<T> {
    const server = new pg.Client({ connectionString: this.#url, application_name: 'waybill bench' })
    server.on('error', () => {})
    await server.connect()
    try {
      return await use(server)
    } finally {
      await server.end()
    }
  }
}

function nameOf(pid: number): string | null {
  return readOr(`/proc/${pid}/comm`)?.trim() ?? null
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readOr(`/proc/${pid}/status`) ?? '')?.[1] ?? 0)
}

function readOr(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
