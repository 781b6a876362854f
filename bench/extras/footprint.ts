import { Gateway } from '../harness/gateway.ts'
import { insertKeys } from '../harness/keys.ts'
import { closedJob } from '../harness/load.ts'
import { residentBytesOf } from '../harness/process.ts'
import type { Figure } from '../harness/result.ts'
import { untilTrue, wait } from '../harness/wait.ts'
import type { Extra } from './extra.ts'

const MIB = 1024 * 1024
const REQUESTS = 1_000_000
/** Shares of them after which memory is looked at. */
const SHARES = [0, 0.1, 0.25, 0.5, 0.75, 1]
/** From this share on it should grow no more: the heap has its size, the code is compiled. */
const SETTLED = 0.25
/** Until the garbage of the load has been collected, mostly. */
const IDLE_MS = 3000

/** Resident memory of one gateway, new and in the course of a million requests: it has to stay flat. */
export const footprint: Extra = {
  name: 'footprint',
  what: 'RSS of one process, new and after up to a million requests (quick: 100,000); growth over the last three quarters',
  run: async ({ contestants, setup, isQuick, tell, fail }) => {
    if (!contestants.some(({ candidate }) => candidate.name === 'waybill')) return []
    const requests = isQuick ? REQUESTS / 10 : REQUESTS
    const surroundings = await setup.surroundings('footprint')
    const database = await surroundings.newDatabase('footprint')
    Gateway.migrate(database, surroundings.folder)
    const [key] = await insertKeys(database, 1, true)
    const { placement, upstreamPort, folder } = surroundings
    const gateway = await Gateway.start({ cpus: placement.candidate, folder, upstreamPort, database })
    const figures: Figure[] = []
    const note = (name: string, value: number): void => {
      figures.push({ scenario: 'footprint', candidate: 'waybill', name, unit: 'MiB', values: [value] })
      tell(`${name}: ${value.toFixed(1)} MiB`)
    }
    let sent = 0
    let settledMib = Number.NaN
    for (const share of SHARES) {
      const job = closedJob(
        { port: gateway.port, key },
        { seconds: 300, maxRequests: requests * share - sent },
      )
      if (share > 0) sent += (await setup.load.run(job)).sent
      await wait(IDLE_MS)
      const mib = residentBytesOf(gateway.process.pid) / MIB
      note(`RSS after ${(requests * share).toLocaleString('en')} requests`, mib)
      if (share === SETTLED) settledMib = mib
      if (share === 1) note('growth over the last three quarters', mib - settledMib)
    }
    const stored = async (): Promise<number> => (await gateway.overview()).accessLog.stored
    await untilTrue('all entries are stored', async () => (await stored()) >= sent).catch(() => {})
    if ((await stored()) !== sent) fail(`footprint: ${await stored()} entries stored of ${sent} requests`)
    await gateway.process.stop()
    return figures
  },
}
