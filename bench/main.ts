import { mkdir, mkdtemp, rm, chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Candidate, Surroundings } from './candidate.ts'
import { caddy, direct, fastifyHttpProxy, goReverseProxy, haproxy, httpProxy, httpProxy3, httpxy, nginx } from './candidates/bare.ts'
import { naive } from './candidates/naive.ts'
import { everything, variants } from './candidates/waybill.ts'
import { DatabaseServer } from './database.ts'
import { Load } from './load.ts'
import { placement } from './machine.ts'
import { measure, type Contestant } from './measure.ts'
import { killAll, pin } from './process.ts'
import { scenarioTable } from './report/table.ts'
import type { Cell } from './result.ts'
import { SCENARIOS } from './scenarios.ts'
import { Upstream } from './upstream.ts'

const ALL: Candidate[] = [direct, nginx, haproxy, goReverseProxy, httpProxy, caddy, httpProxy3, httpxy, fastifyHttpProxy, everything, ...variants, naive]
const only = process.env['ONLY']?.split(',') ?? ALL.map((c) => c.name)
const scen = process.env['SCEN']?.split(',') ?? ['1k']
const place = placement()
pin(process.pid, place.load)
const folder = await mkdtemp(join(tmpdir(), 'waybill-bench-'))
await chmod(folder, 0o711)
const server = new DatabaseServer()
const pid = await server.pid()
pin(pid, place.load)
console.error(await server.describe())
const upstream = await Upstream.start(place.load, folder)
const load = new Load(place.load)
const contestants: Contestant[] = []
try {
  for (const candidate of ALL.filter((c) => only.includes(c.name))) {
    const own = join(folder, candidate.name.replaceAll('/', '-'))
    await mkdir(own)
    const s: Surroundings = { upstreamPort: upstream.port, placement: place, folder: own, newDatabase: (n) => server.create(n), cutOff: (d) => server.cutOff(d), databasePid: async () => pid }
    console.error('start', candidate.name)
    contestants.push({ candidate, running: await candidate.start(s), sent: 0 })
  }
  const cells: Cell[] = []
  for (const scenario of SCENARIOS.filter((s) => scen.includes(s.name))) {
    for (let round = 1; round <= 2; round++)
      for (const contestant of contestants) {
        if (scenario.tenants !== null && contestant.running.keys.length === 0) continue
        const cell = await measure({ contestant, scenario, round, seconds: 2, load, upstream })
        console.error(scenario.name, cell.candidate, cell.cpuUs?.total.toFixed(1), cell.requestsPerSecond | 0, cell.generatorUs.toFixed(1))
        cells.push(cell)
      }
    console.log(scenarioTable(cells, scenario.name, 'http-proxy'))
  }
} finally {
  for (const { running } of contestants) await running.stop()
  await load.stop()
  await upstream.stop()
  await server.destroy()
  killAll()
  await rm(folder, { recursive: true, force: true })
}
