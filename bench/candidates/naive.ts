import { join } from 'node:path'
import type { Candidate } from '../harness/candidate.ts'
import { SOURCES } from '../harness/paths.ts'
import { freePort, waitForPort } from '../harness/ports.ts'
import { spawnPinned } from '../harness/process.ts'
import { untilTrue } from '../harness/wait.ts'

const TABLE = `
  CREATE TABLE naive_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at timestamptz NOT NULL, tenant text NOT NULL, method text NOT NULL, host text NOT NULL, path text NOT NULL,
    status integer NOT NULL, bytes_sent bigint NOT NULL, duration_us bigint NOT NULL, client_ip inet, user_agent text
  );
  CREATE INDEX ON naive_log (tenant, started_at);
`

/** The form that Waybill's COPY is compared with. No keys, no limits, fewer columns: less work than Waybill does. */
export const naive: Candidate = {
  name: 'naive-insert',
  what: 'http-proxy and one INSERT per request through pg, 10 connections, not waited for',
  missing: () => null,
  start: async ({ placement, upstreamPort, newDatabase, databasePid }) => {
    const database = await newDatabase('naive')
    await database.query(TABLE)
    const port = await freePort()
    const process_ = spawnPinned(
      placement.candidate,
      [
        process.execPath,
        join(SOURCES, 'servers', 'naive.mjs'),
        String(port),
        `http://127.0.0.1:${upstreamPort}`,
      ],
      { env: { DATABASE_URL: database.url } },
    )
    await waitForPort(port, process_)
    const stored = async (): Promise<number> => {
      const [row] = await database.query<{ n: number }>('SELECT count(*)::integer AS n FROM naive_log')
      return row?.n ?? Number.NaN
    }
    // The sequence tells without counting rows.
    const inserted = async (): Promise<number> => {
      const [row] = await database.query<{ n: number }>(
        `SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('naive_log', 'id')), 0)::integer AS n`,
      )
      return row?.n ?? 0
    }
    const settle = (entries: number): Promise<void> =>
      untilTrue(`${entries} INSERTs`, async () => (await inserted()) >= entries, {
        timeoutMs: 120_000,
        everyMs: 50,
      })
    return {
      port,
      pid: process_.pid,
      keys: [],
      log: { databasePid, catchUp: settle, settle, stored, isStored: true },
      stop: () => process_.stop(),
    }
  },
}
