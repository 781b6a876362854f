import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../config/config.ts'
import { connectionsNeeded } from '../serve/control-plane/connections.ts'
import { openGatewayDatabase } from '../serve/control-plane/database.ts'
import { migrate, MIGRATIONS_DIR } from '../store/migrate.ts'
import { closeSql, openControl } from '../store/sql.ts'
import { runCli } from './program.ts'
import { testIo } from '../test/cli-io.ts'

t.setTimeout(120_000)
const WORKERS = 20

t.test('F4: commands work while 20 workers have all the connections that they may have', async (t) => {
  const cwd = await mkdtemp(join(tmpdir(), 'waybill-workers-'))
  t.teardown(() => rm(cwd, { recursive: true, force: true, maxRetries: 5 }))
  // Root's database user has to pass through.
  await chmod(cwd, 0o711)
  const stateDir = join(cwd, '.waybill')
  const config = loadConfig({ file: null, env: {}, flags: { stateDir, workers: String(WORKERS) } })
  const database = await openGatewayDatabase(config, () => {})
  t.teardown(() => database.release())
  const needed = connectionsNeeded(WORKERS)
  const sql = openControl(database.target, { max: needed, hasLongStatements: true })
  t.teardown(() => closeSql(sql, 1000))
  await migrate(sql, { migrationsDir: MIGRATIONS_DIR, allowDestructive: false })
  let taken = 0
  let release = (): void => {}
  let allTaken = (): void => {}
  const released = new Promise<void>((resolve) => (release = resolve))
  const full = new Promise<void>((resolve) => (allTaken = resolve))
  const held = Array.from({ length: needed }, () =>
    sql.begin(async (tx) => {
      await tx`SELECT 1`
      if (++taken === needed) allTaken()
      await released
    }),
  )
  await Promise.race([full, Promise.all(held)])
  const io = testIo(['keys', 'mint', '--tenant', 'acme'], { cwd })
  t.equal(await runCli(io, () => Promise.resolve(1)), 0, io.written.stderr)
  t.equal(taken, needed, 'all of them were taken meanwhile')
  release()
  await Promise.all(held)
})
