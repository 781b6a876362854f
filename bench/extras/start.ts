import { Gateway } from '../gateway.ts'
import { insertKeys } from '../keys.ts'
import { closedJob } from '../load.ts'
import { residentBytesOf } from '../process.ts'
import { untilTrue, wait } from '../wait.ts'
import type { Figure } from '../result.ts'
import type { Extra, ExtraContext } from './extra.ts'

const SNAPSHOT_KEYS = 100_000
const MIB = 1024 * 1024
/** Until the garbage of the start has been collected, mostly. */
const IDLE_MS = 3000

type Note = (name: string, unit: string, value: number) => void

/** Cold start, a large snapshot, and memory idle and after many requests. */
export const start: Extra = {
  name: 'start',
  what: 'cold start of serve to ready, with 1 and with 100,000 keys; RSS idle and after a million requests (quick: 100,000)',
  run: async (context) => {
    if (!context.contestants.some(({ candidate }) => candidate.name === 'waybill')) return []
    const figures = new Map<string, Figure & { values: number[] }>()
    const note: Note = (name, unit, value) => {
      const known = figures.get(name) ?? { scenario: 'start', candidate: 'waybill', name, unit, values: [] }
      known.values.push(value)
      figures.set(name, known)
      context.tell(`${name}: ${value.toFixed(1)} ${unit}`)
    }
    await coldStarts(context, note)
    await footprint(context, note)
    return [...figures.values()]
  },
}

/** With few and with many keys in turn: what the many add is the snapshot. */
async function coldStarts({ field, rounds }: ExtraContext, note: Note): Promise<void> {
  const surroundings = await field.surroundings('start')
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
      const { folder } = await field.surroundings('start')
      const { placement, upstreamPort } = surroundings
      const gateway = await Gateway.start({ cpus: placement.candidate, folder, upstreamPort, database })
      await wait(IDLE_MS)
      seen.push({ readyMs: gateway.readyMs, residentBytes: residentBytesOf(gateway.process.pid) })
      await gateway.process.stop()
    }
    const [few, many] = seen
    if (few === undefined || many === undefined) return
    note('cold start to ready', 'ms', few.readyMs)
    note('cold start with 100,000 keys', 'ms', many.readyMs)
    note('snapshot of 100,000 keys', 'ms', many.readyMs - few.readyMs)
    note('resident memory per key', 'bytes', (many.residentBytes - few.residentBytes) / (SNAPSHOT_KEYS - 1))
    note('RSS idle', 'MiB', few.residentBytes / MIB)
  }
}

/** Memory of one gateway, new, then after a tenth, a half and all of the requests. */
async function footprint({ field, isQuick, fail }: ExtraContext, note: Note): Promise<void> {
  const requests = isQuick ? 100_000 : 1_000_000
  const surroundings = await field.surroundings('footprint')
  const database = await surroundings.newDatabase('footprint')
  Gateway.migrate(database, surroundings.folder)
  const [key] = await insertKeys(database, 1, true)
  const { placement, upstreamPort, folder } = surroundings
  const gateway = await Gateway.start({ cpus: placement.candidate, folder, upstreamPort, database })
  let sent = 0
  for (const share of [0.1, 0.5, 1]) {
    const job = closedJob({ port: gateway.port, key }, { seconds: 300, maxRequests: requests * share - sent })
    const result = await field.load.run(job)
    sent += result.sent
    await wait(IDLE_MS)
    note(
      `RSS after ${(requests * share).toLocaleString('en')} requests`,
      'MiB',
      residentBytesOf(gateway.process.pid) / MIB,
    )
  }
  const stored = async (): Promise<number> => (await gateway.overview()).accessLog.stored
  await untilTrue('all entries are stored', async () => (await stored()) >= sent).catch(() => {})
  if ((await stored()) !== sent) fail(`start: ${await stored()} entries stored of ${sent} requests`)
  await gateway.process.stop()
}
