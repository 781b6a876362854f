import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import {
  NOT_DURABLE,
  makeStateDir,
  postmasterPid,
  startHolder,
  supervisorPid,
  until,
  untilGone,
} from '../test/embedded-holder.ts'
import type { EmbeddedPostgres } from './postgres.ts'
import { startEmbeddedPostgres } from './postgres.ts'
import { isAccepting } from './postgres-readiness.ts'
import { isRunning } from './postgres-recovery.ts'

// One database for all of them, made once: each test leaves it stopped.
const { stateDir, remove } = makeStateDir()
t.teardown(remove)

async function start(t: Test): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ stateDir, settings: NOT_DURABLE })
  t.teardown(() => postgres.stop())
  return postgres
}

async function accepts(postgres: EmbeddedPostgres): Promise<boolean> {
  return await isAccepting(join(postgres.connection.host, '.s.PGSQL.5432'))
}

t.test('a postmaster orphaned by kill -9 of its supervisor is stopped by the next start', async (t) => {
  const holder = await startHolder(stateDir)
  const orphan = postmasterPid(stateDir)
  const supervisor = supervisorPid(stateDir)
  // Frozen, or it would start another supervisor.
  holder.child.kill('SIGSTOP')
  process.kill(supervisor, 'SIGKILL')
  await untilGone(supervisor)
  holder.child.kill('SIGKILL')
  await once(holder.child, 'exit')
  t.ok(isRunning(orphan), 'nobody stopped it')
  const postgres = await start(t)
  t.equal(postgres.started, true)
  t.notOk(isRunning(orphan))
  t.not(postmasterPid(stateDir), orphan)
  t.ok(await accepts(postgres))
})

t.test('a holder brings the server back when the supervisor is killed', async (t) => {
  const postgres = await start(t)
  const orphan = postmasterPid(stateDir)
  const supervisor = supervisorPid(stateDir)
  process.kill(supervisor, 'SIGKILL')
  await until('another supervisor', () => ![0, supervisor].includes(supervisorPid(stateDir)))
  await until('another postmaster', () => ![0, orphan].includes(postmasterPid(stateDir)))
  t.notOk(isRunning(orphan))
  const pid = postmasterPid(stateDir)
  await postgres.stop()
  t.notOk(isRunning(pid), 'and still owns it')
})

t.test('a postmaster that is killed is started again', async (t) => {
  const postgres = await start(t)
  const killed = postmasterPid(stateDir)
  process.kill(killed, 'SIGKILL')
  await until('another postmaster', () => ![0, killed].includes(postmasterPid(stateDir)))
  const pid = postmasterPid(stateDir)
  await postgres.stop()
  t.notOk(isRunning(pid))
})

t.test('kill -9 of everything at once leaves a database that starts', async (t) => {
  const holder = await startHolder(stateDir)
  for (const pid of [holder.child.pid ?? 0, supervisorPid(stateDir), postmasterPid(stateDir)]) {
    process.kill(pid, 'SIGKILL')
  }
  await once(holder.child, 'exit')
  const postgres = await start(t)
  t.equal(postgres.started, true)
  t.ok(await accepts(postgres))
})

t.test('a stale pid file that names a living process of somebody else does no harm to either', async (t) => {
  const first = await start(t)
  const file = join(stateDir, 'postgres', 'data', 'postmaster.pid')
  const text = readFileSync(file, 'utf8')
  await first.stop()
  // The same user as PostgreSQL's, or its own check would see through this.
  const { uid, gid } = statSync(join(stateDir, 'postgres', 'data'))
  const identity = process.getuid?.() === 0 ? { uid, gid } : {}
  const stranger = spawn('sleep', ['600'], { stdio: 'ignore', cwd: '/', ...identity })
  t.teardown(() => stranger.kill('SIGKILL'))
  await once(stranger, 'spawn')
  writeFileSync(file, text.replace(/^\d+/, String(stranger.pid)))

  const postgres = await start(t)
  t.ok(await accepts(postgres))
  t.not(postmasterPid(stateDir), stranger.pid)
  t.ok(isRunning(stranger.pid ?? 0))
})

t.test('a signal to the supervisor does not take the server from its holders', async (t) => {
  const postgres = await start(t)
  const supervisor = supervisorPid(stateDir)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(supervisor, signal)
  const second = await startEmbeddedPostgres({ stateDir })
  t.equal(second.started, false)
  await second.stop()
  t.ok(await accepts(postgres))
  t.equal(supervisorPid(stateDir), supervisor)
})
