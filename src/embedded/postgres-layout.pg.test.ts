import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { NOT_DURABLE, makeStateDir } from '../test/embedded-holder.ts'
import type { EmbeddedPostgres } from './postgres.ts'
import { startEmbeddedPostgres } from './postgres.ts'
import { isAccepting } from './postgres-readiness.ts'

function stateDirFor(t: Test): string {
  const { stateDir, remove } = makeStateDir()
  t.teardown(remove)
  return stateDir
}

async function start(t: Test, stateDir: string, progress: string[] = []): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({
    stateDir,
    settings: NOT_DURABLE,
    onProgress: (message) => progress.push(message),
  })
  t.teardown(() => postgres.stop())
  return postgres
}

t.test('a state dir with a path too long for sockets works', async (t) => {
  const stateDir = join(stateDirFor(t), 'x'.repeat(60), 'it\'s, a "folder"', 'y'.repeat(60))
  const postgres = await start(t, stateDir)
  t.teardown(() => rmSync(dirname(postgres.connection.host), { recursive: true }))
  t.ok(Buffer.byteLength(join(postgres.connection.host, '.s.PGSQL.5432')) < 103)
  t.ok(await isAccepting(join(postgres.connection.host, '.s.PGSQL.5432')))
  await postgres.stop()
  const again = await start(t, stateDir)
  t.equal(again.connection.host, postgres.connection.host)
})

t.test('a state dir that only its owner may enter works, for root as well, and is found again', async (t) => {
  const stateDir = stateDirFor(t)
  chmodSync(stateDir, 0o700)
  const first: string[] = []
  const postgres = await start(t, stateDir, first)
  // As root it lives elsewhere, where the user that PostgreSQL runs as can go.
  t.teardown(() => rmSync(dirname(postgres.connection.host), { recursive: true, force: true }))
  await postgres.stop()
  const second: string[] = []
  const again = await start(t, stateDir, second)
  t.equal(again.connection.host, postgres.connection.host)
  t.ok(first.some((message) => message.startsWith('creating')))
  t.notOk(second.some((message) => message.startsWith('creating')))
})

t.test('a state dir that cannot be made is reported', async (t) => {
  const file = join(stateDirFor(t), 'file')
  writeFileSync(file, '')
  await t.rejects(startEmbeddedPostgres({ stateDir: join(file, 'state') }), {
    code: 'EMBEDDED_POSTGRES_NO_ACCESS',
  })
})
