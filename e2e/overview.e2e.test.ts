import t from 'tap'
import { assertBalanced } from './harness/accounting.ts'
import type { EmbeddedServer } from './harness/failure-postgres.ts'
import type { Overview, TestGateway } from './harness/gateway.ts'
import { embeddedScene, loadOf } from './harness/scene.ts'
import { until, untilTrue } from './harness/wait.ts'

/**
 * What an operator is told, by mechanism, with the default options: a database that refuses is known by the next look at the directory,
 * 500 ms later at the latest; one that is silent 1500 ms after its last answer; one that is back by the next attempt, 1 s later at
 * the latest. The console asks every second. How long it took here is a comment.
 */
const FAULTS: readonly (readonly [string, number, (db: EmbeddedServer) => Promise<void>])[] = [
  ['frozen by SIGSTOP', 1, (db) => db.freeze()],
  ['frozen by SIGSTOP', 2, (db) => db.freeze()],
  ['stopped', 1, (db) => db.stop()],
]

/** Warnings but the one that such a scene has from its start to its end. */
function troublesOf({ warnings }: Overview): Overview['warnings'] {
  return warnings.filter(({ code }) => code !== 'embedded_database')
}

for (const [fault, workers, inflict] of FAULTS) {
  t.test(`G4: Postgres ${fault} under load, ${workers} processes: the overview says so`, async (t) => {
    const { db, gateway, key } = await embeddedScene(t, { config: { workers } })
    const load = loadOf(t, gateway, key, 300)
    const before = await untilDatabase(gateway, ({ state, isStoring }) => state === 'there' && isStoring)
    t.strictSame(troublesOf(before), [])
    await inflict(db)
    const inflictedTick = performance.now()
    const away = await untilDatabase(gateway, ({ state }) => state === 'away')
    t.comment(`known ${Math.round(performance.now() - inflictedTick)} ms later, ${away.database.error}`)
    t.equal(away.ready, true, 'requests go on')
    const warning = away.warnings.find(({ code }) => code === 'database_away')
    t.match(warning, { detail: /^the database does not answer, for \d+ s/ }, 'and are warned of')
    const lines = await until('every worker says so', async () => {
      const { workers: all = [] } = await gateway.overview()
      return all.every(({ database }) => database === 'away') ? all : undefined
    })
    t.equal(lines.length, workers === 1 ? 0 : workers)
    const spilling = await until('entries are on disk, and none is lost', async () => {
      const overview = await gateway.overview()
      return overview.accessLog.spilled > 0 ? overview : undefined
    })
    t.ok(
      spilling.warnings.some(({ code, detail }) => code === 'log_not_stored' && detail.includes('on disk')),
      'which it says in words',
      { warnings: spilling.warnings },
    )
    t.equal(spilling.database.isStoring, false)
    t.equal((await gateway.metrics()).sum('waybill_database_up'), 0)
    await assertBalanced(t, gateway)

    db.thaw()
    const thawedTick = performance.now()
    await untilDatabase(gateway, ({ state }) => state === 'there')
    t.comment(`known to be back ${Math.round(performance.now() - thawedTick)} ms after it was let go on`)
    await untilDatabase(gateway, ({ state, isStoring }) => state === 'there' && isStoring)
    await untilTrue('nothing is left to say', async () => {
      const overview = await gateway.overview()
      return troublesOf(overview).length === 0 && overview.accessLog.spilled === 0
    })
    load.stop()
    t.equal((await load.done).failed.size, 0)
    await assertBalanced(t, gateway)
  })
}

function untilDatabase(
  gateway: TestGateway,
  isSo: (database: Overview['database']) => boolean,
): Promise<Overview> {
  let last: unknown
  return until(
    'the overview tells the state of the database',
    async () => {
      const overview = await gateway.overview()
      last = overview.database
      return isSo(overview.database) ? overview : undefined
    },
    { describe: () => last },
  )
}
