import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { assertExact, assertServed, shortOrLong, untilPassed } from '../harness/chaos.ts'
import type { TestDatabase } from '../harness/database.ts'
import { directScene, FAST, loadOf } from '../harness/scene.ts'
import { smallTableDisk } from '../harness/small-disk.ts'
import { untilTrue } from '../harness/wait.ts'

const FULL_MS = shortOrLong(4000, 60_000)
const READ_ONLY_MS = shortOrLong(4000, 60_000)
const DISK_BYTES = 32 * 1024 ** 2
/** SQLSTATE disk_full. */
const DISK_FULL = '53100'

/** Fills the disk that the rows lie on; `free` makes room again. Without root the refusal alone is real. */
async function fillDisk(t: Test, db: TestDatabase): Promise<{ readonly free: () => Promise<void> }> {
  const disk = await smallTableDisk(t, db, DISK_BYTES)
  if (disk !== null) {
    const ballast = join(disk.folder, 'ballast')
    const fill = writeFile(ballast, Buffer.alloc(DISK_BYTES))
    await t.rejects(fill, { code: 'ENOSPC' }, 'the disk is full')
    return { free: () => rm(ballast) }
  }
  t.comment(`instead a trigger refuses every COPY as Postgres does on a full disk: SQLSTATE ${DISK_FULL}`)
  await db.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '${DISK_FULL}'; END $$`)
  await db.query(
    'CREATE TRIGGER refuse BEFORE INSERT ON access_log FOR EACH STATEMENT EXECUTE FUNCTION refuse()',
  )
  return { free: async () => void (await db.query('DROP TRIGGER refuse ON access_log')) }
}

t.test(
  'the disk of Postgres full under load: entries wait on ours, all are stored when there is room',
  async (t) => {
    const scene = await directScene(t, { config: { accessLog: FAST } })
    const { db, gateway, key } = scene
    const load = loadOf(t, gateway, key, 500)
    await waitForEntries(db, 100)
    const { free } = await fillDisk(t, db)
    const fullTick = performance.now()
    // Postgres fills the last page that it has first.
    await gateway.waitForLog('the disk is full', ({ code }) => code === DISK_FULL, { timeoutMs: 20_000 })
    await untilTrue('entries are spilled', async () => (await gateway.overview()).accessLog.spilled > 0)
    await untilPassed(FULL_MS, fullTick)
    await free()
    const { accepted } = (await gateway.overview()).accessLog
    await waitForEntries(db, accepted, { timeoutMs: 20_000 })
    load.stop()
    const result = await load.done
    assertServed(t, result)
    await assertExact(t, scene, { forwarded: result.answered })
  },
)

t.test('Postgres turned read-only under load: entries wait on disk until it takes them again', async (t) => {
  const scene = await directScene(t, { config: { accessLog: FAST } })
  const { db, gateway, key } = scene
  const load = loadOf(t, gateway, key, 500)
  await waitForEntries(db, 100)
  const name = new URL(db.url).pathname.slice(1)
  const setReadOnly = async (isReadOnly: 'on' | 'off'): Promise<void> => {
    // Our own session may have begun while it was read-only.
    await db.query(
      `BEGIN READ WRITE; ALTER DATABASE ${name} SET default_transaction_read_only = ${isReadOnly}; COMMIT`,
    )
    // Sessions keep what they began with, as they do not when a primary becomes a standby.
    await db.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'waybill e2e'`)
  }
  await setReadOnly('on')
  const readOnlyTick = performance.now()
  await gateway.waitForLog('read-only', ({ code }) => code === '25006')
  await untilTrue('entries are spilled', async () => (await gateway.overview()).accessLog.spilled > 0)
  await untilPassed(READ_ONLY_MS, readOnlyTick)
  const ready = await fetch(`${gateway.adminUrl}/readyz`, { headers: { connection: 'close' } })
  t.equal(ready.status, 200, 'the gateway stays ready: there is room for entries')
  await setReadOnly('off')
  const { accepted } = (await gateway.overview()).accessLog
  await waitForEntries(db, accepted, { timeoutMs: 20_000 })
  load.stop()
  const result = await load.done
  assertServed(t, result)
  await assertExact(t, scene, { forwarded: result.answered })
})
