import { rmSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Candidate, Running, Surroundings } from './candidate.ts'
import { DatabaseServer } from './database.ts'
import { Load, closedJob } from './load.ts'
import { placement, type Placement } from './machine.ts'
import { pin } from './process.ts'
import { Upstream } from './upstream.ts'

/** Requests that each candidate has answered before anything is measured: V8 has compiled what is hot by then. */
const WARM_UP_REQUESTS = 100_000
const WARM_UP_SECONDS = 15

/** A candidate that runs. */
export interface Contestant {
  readonly candidate: Candidate
  readonly running: Running
}

/** Everything around the candidates: upstream, load generator, database server, pinned; and their folders. */
export class Setup {
  readonly placement: Placement
  readonly upstream: Upstream
  readonly load: Load
  readonly server: DatabaseServer
  readonly databasePid: number | null
  readonly #folder: string
  readonly #running: Running[] = []
  #made = 0

  private constructor(options: {
    readonly placement: Placement
    readonly upstream: Upstream
    readonly load: Load
    readonly server: DatabaseServer
    readonly databasePid: number | null
    readonly folder: string
  }) {
    this.placement = options.placement
    this.upstream = options.upstream
    this.load = options.load
    this.server = options.server
    this.databasePid = options.databasePid
    this.#folder = options.folder
  }

  /** Sets it up, the candidates on this CPU or the first. The bench's own process goes to the CPUs of the load. */
  static async start(cpu: number | null): Promise<Setup> {
    const cpus = placement(cpu)
    pin(process.pid, cpus.load)
    const folder = await mkdtemp(join(tmpdir(), 'waybill-bench-'))
    await chmod(folder, 0o711)
    // Also after an interruption.
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    const server = new DatabaseServer()
    const databasePid = await server.pid()
    if (databasePid !== null) pin(databasePid, cpus.load)
    const upstream = await Upstream.start(cpus.load, folder)
    return new Setup({ placement: cpus, upstream, load: new Load(cpus.load), server, databasePid, folder })
  }

  /** What a candidate, or a gateway of an extra, is started with: a new folder each time. */
  async surroundings(name: string): Promise<Surroundings> {
    const folder = join(this.#folder, `${++this.#made}-${name.replaceAll(/[^a-z0-9-]/g, '')}`)
    await mkdir(folder)
    return {
      upstreamPort: this.upstream.port,
      placement: this.placement,
      folder,
      newDatabase: (each) => this.server.create(`${this.#made}_${each}`),
      cutOff: (database) => this.server.cutOff(database),
      databasePid: this.databasePid,
    }
  }

  /** Starts a candidate; it is stopped with the setup at the latest. */
  async enter(candidate: Candidate): Promise<Contestant> {
    const running = await candidate.start(await this.surroundings(candidate.name))
    this.#running.push(running)
    return { candidate, running }
  }

  /** Stops a candidate before the end of the run. */
  async leave({ running }: Contestant): Promise<void> {
    await running.stop()
    this.#running.splice(this.#running.indexOf(running), 1)
  }

  /** Sends a candidate its first requests and waits for their entries. */
  async warmUp({ running }: Contestant): Promise<void> {
    const target = { port: running.port, key: running.keys[0] }
    const { sent } = await this.load.run(
      closedJob(target, { seconds: WARM_UP_SECONDS, maxRequests: WARM_UP_REQUESTS }),
    )
    await running.log?.settle(sent)
  }

  /** Stops all and removes what was made. */
  async stop(): Promise<void> {
    await Promise.all(this.#running.map((each) => each.stop()))
    await this.load.stop()
    await this.upstream.stop()
    await this.server.destroy()
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
