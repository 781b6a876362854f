import type { Surroundings } from '../harness/candidate.ts'
import type { Database } from '../harness/database.ts'
import { Gateway } from '../harness/gateway.ts'
import { insertKeys } from '../harness/keys.ts'
import { residentBytesOf } from '../harness/process.ts'
import { wait } from '../harness/wait.ts'
import type { Extra, ExtraContext } from './extra.ts'
import { figureRecorder, type RecordFigure } from './figure-recorder.ts'

const SNAPSHOT_KEYS = 100_000
const MIB = 1024 * 1024
/** Until the garbage of the start has been collected, mostly. */
const IDLE_MS = 3000

/** Cold start of one process and of a worker for each core, a large snapshot, and memory idle. */
export const start: Extra = {
  name: 'start',
  what: 'cold start of serve to ready, with 1 and with 100,000 keys, and with a worker per core; RSS idle',
  run: async (context) => {
    if (!context.contestants.some(({ candidate }) => candidate.name === 'waybill')) return []
    const { record, figures } = figureRecorder('start', { tell: context.tell, digits: 1 })
    await coldStarts(context, record)
    return [...figures.values()]
  },
}

/** With few and with many keys in turn: what the many add is the snapshot. */
async function coldStarts({ setup, rounds }: ExtraContext, record: RecordFigure): Promise<void> {
  const surroundings = await setup.surroundings('start')
  const databases = []
  for (const keys of [1, SNAPSHOT_KEYS]) {
    const database = await surroundings.newDatabase(`start_${keys}`)
    Gateway.migrate(database, surroundings.folder)
    await insertKeys(database, keys, true)
    databases.push(database)
  }
  for (let round = 0; round < rounds; round++) {
    const seen: { readyMs: number; residentBytes: number }[] = []
    for (const database of databases) {
      const { folder } = await setup.surroundings('start')
      const { placement, upstreamPort } = surroundings
      const gateway = await Gateway.start({ cpus: placement.candidate, folder, upstreamPort, database })
      await wait(IDLE_MS)
      seen.push({ readyMs: gateway.readyMs, residentBytes: residentBytesOf(gateway.process.pid) })
      await gateway.process.stop()
    }
    record('cold start with a worker per core', 'ms', await startOfAll(surroundings, databases[0]))
    const [few, many] = seen
    if (few === undefined || many === undefined) return
    record('cold start to ready', 'ms', few.readyMs)
    record('cold start with 100,000 keys', 'ms', many.readyMs)
    record('snapshot of 100,000 keys', 'ms', many.readyMs - few.readyMs)
    record('resident memory per key', 'bytes', (many.residentBytes - few.residentBytes) / (SNAPSHOT_KEYS - 1))
    record('RSS idle', 'MiB', few.residentBytes / MIB)
  }
}

/** With as many workers as it takes by itself, on all cores. */
async function startOfAll(surroundings: Surroundings, database: Database | undefined): Promise<number> {
  if (database === undefined) return Number.NaN
  const { folder, placement, upstreamPort } = surroundings
  const config = { workers: 0 }
  const gateway = await Gateway.start({ cpus: placement.all, folder, upstreamPort, database, config })
  await gateway.process.stop()
  return gateway.readyMs
}
