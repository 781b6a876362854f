import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Test } from 'tap'

/** An empty database of one test. */
export interface TestDatabase {
  readonly url: string
  /** Runs one statement and returns its rows. `bigint` and `numeric` columns arrive as text: cast or convert. */
  query<Row extends pg.QueryResultRow>(sql: string, params?: readonly unknown[]): Promise<Row[]>
}

/**
 * Makes an empty database on the server that `WAYBILL_TEST_DATABASE_URL` names, and drops it on teardown together with
 * whatever is still connected to it. Rejects when the variable is not set.
 */
export async function testDatabase(t: Test): Promise<TestDatabase> {
  const serverUrl = process.env['WAYBILL_TEST_DATABASE_URL'] ?? ''
  if (serverUrl === '') {
    throw new Error(
      'WAYBILL_TEST_DATABASE_URL is not set: run through "node dist/test/with-postgres.js -- <command>"',
    )
  }
  const name = `waybill_e2e_${randomBytes(6).toString('hex')}`
  await withServer(serverUrl, (server) => server.query(`CREATE DATABASE ${name} TEMPLATE template0`))
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const pool = new pg.Pool({ connectionString: url.href, max: 3, application_name: 'waybill e2e' })
  // A connection that is terminated while idle would end the process otherwise.
  pool.on('error', () => {})
  t.teardown(async () => {
    await pool.end()
    await withServer(serverUrl, (server) => server.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
  })
  const query: TestDatabase['query'] = async (sql, params = []) => (await pool.query(sql, [...params])).rows
  return { url: url.href, query }
}

async function withServer(url: string, use: (server: pg.Client) => Promise<unknown>): Promise<void> {
  const server = new pg.Client({ connectionString: url, application_name: 'waybill e2e' })
  server.on('error', () => {})
  await server.connect()
  try {
    await use(server)
  } finally {
    await server.end()
  }
}
