import type { Test } from 'tap'
import { assertLedger } from './accounting.ts'
import { readAudit } from './audit.ts'
import { untold } from './chaos.ts'
import type { TestDatabase } from './database.ts'
import type { TestGateway } from './gateway.ts'
import { mostAnswersWithin, type LoadResult } from './load.ts'
import { CONNECTIONS, loadOf, type Scene } from './scene.ts'
import { untilTrue } from './wait.ts'

/** Of answers in flight on each connection, one may be counted by us alone and one by the gateway alone. */
const IN_FLIGHT = 2 * CONNECTIONS

/** What a kill may have cost. */
export interface Killed {
  readonly instance: string
  readonly result: LoadResult
  /** Requests that reached the upstream through it. */
  readonly forwarded: number
  /** Entries in its memory when it last said so, and those answered since: the most that its end can have lost. */
  readonly atMost: number
  /** Median age of its oldest entry that was in memory only, as it told during the load, ms. */
  readonly medianAgeMs: number
  readonly worstAgeMs: number
}

/** Loads a gateway and kills it in the midst. */
export async function killUnderLoad(
  t: Test,
  scene: Scene,
  gateway: TestGateway,
  answers: number,
): Promise<Killed> {
  const { db, upstream, key } = scene
  const { instance } = await gateway.overview()
  // Its heartbeat must have registered it: only then can the audit tell that it died.
  await untilTrue('the instance is registered', async () => {
    return (await db.query('SELECT 1 FROM instances WHERE id = $1', [instance])).length === 1
  })
  const before = upstream.requests
  const load = loadOf(t, gateway, key, 500)
  const ages: number[] = []
  await untilTrue(
    'the load runs',
    async () => {
      const metrics = await gateway.metrics()
      ages.push(metrics.sum('waybill_writer_oldest_unflushed_age_seconds') * 1000)
      return load.answered >= answers
    },
    { timeoutMs: answers * 60 },
  )
  const answered = load.answered
  const { buffered } = (await gateway.overview()).accessLog
  await gateway.kill()
  load.stop()
  const result = await load.done
  ages.sort((a, b) => a - b)
  return {
    instance,
    result,
    forwarded: upstream.requests - before,
    atMost: buffered + (result.answered - answered) + IN_FLIGHT,
    medianAgeMs: ages[ages.length >> 1] ?? Number.NaN,
    worstAgeMs: ages.at(-1) ?? Number.NaN,
  }
}

export async function storedOf(db: TestDatabase, instance: string): Promise<number> {
  const sql = 'SELECT count(*)::int AS n FROM access_log WHERE instance = $1'
  return (await db.query<{ n: number }>(sql, [instance]))[0]?.n ?? 0
}

/** Asserts that a killed gateway lost no more than it had in memory, and what the window allows. Returns how many were lost. */
export async function assertLoss(
  t: Test,
  db: TestDatabase,
  killed: Killed,
  windowMs: number,
): Promise<number> {
  const { instance, result, forwarded, atMost } = killed
  const stored = await storedOf(db, instance)
  const lost = Math.max(0, result.answered - stored)
  const inWindow = mostAnswersWithin(result, windowMs) + IN_FLIGHT
  t.comment(
    `killed: ${result.answered} answered, ${lost} of them not stored; in memory were ${atMost} at most`,
  )
  t.ok(stored <= forwarded, 'nothing is stored that was not asked', { stored, forwarded })
  t.ok(lost <= atMost, 'lost is what was in memory and no more', { lost, atMost })
  t.ok(lost <= inWindow, `no more than ${Math.round(windowMs)} ms of load`, { lost, inWindow })
  return lost
}

/** Asserts that the audit names the instances that died, with the most that each can have lost, and finds nothing else. */
export async function assertToldAsDead(
  t: Test,
  scene: Scene,
  gateway: TestGateway,
  dead: readonly string[],
): Promise<void> {
  // An instance is taken for dead a minute after it was seen last.
  const sql = `UPDATE instances SET last_seen_at = last_seen_at - interval '2 minutes' WHERE id = ANY($1)`
  await scene.db.query(sql, [dead])
  const report = await readAudit(gateway, '--deep')
  const died = report.gaps.filter(({ kind }) => kind === 'died')
  t.strictSame(
    died.map(({ instance }) => instance).sort(),
    [...dead].sort(),
    'the audit names those that died',
  )
  t.ok(
    died.every(({ entriesAtMost }) => (entriesAtMost ?? 0) > 0),
    'and how many entries at most each lost',
  )
  t.strictSame(untold(report.gaps, ['died']), [], 'it finds nothing else')
  t.equal(report.isComplete, false)
  await assertLedger(t, scene.db)
}
