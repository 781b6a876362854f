import type { Config } from '../config/config.ts'
import type { RootLogger } from '../logger/logger.ts'
import { ControlPlane } from './control-plane.ts'
import type { DatabaseUpkeep, GatewayDatabase } from './control-plane/database.ts'
import { DataPlane } from './data-plane.ts'
import { boundConnections } from './descriptors.ts'
import { Lifecycle, servesOn } from './lifecycle.ts'
import type { Addresses, RunningGateway } from './running-gateway.ts'
import { viaOf } from './via.ts'

/** A gateway of one process: both planes. */
export class Gateway implements RunningGateway {
  readonly instance: string
  readonly #control: ControlPlane
  readonly #data: DataPlane
  readonly #life: Lifecycle

  constructor(
    config: Config,
    database: GatewayDatabase,
    { instance, logger, upkeep }: { instance: string; logger: RootLogger; upkeep: DatabaseUpkeep },
  ) {
    this.instance = instance
    const { options } = config
    this.#control = new ControlPlane({
      config,
      database,
      upkeep,
      logger,
      processes: 1,
      served: {
        health: () => this.#data.health(),
        readiness: () => this.#data.readiness(),
        metrics: async (accept) => (await this.#data.metrics()).expose(accept),
        overview: () => this.#data.overview(),
      },
    })
    const { limits, deaths } = this.#control
    this.#data = new DataPlane({
      config,
      target: database.target,
      control: upkeep.control,
      logger,
      instance,
      via: viaOf(instance),
      isDirectoryWriter: true,
      maxConnections: boundConnections(options['proxy.maxConnections'], logger),
      peers: limits.peersOf(() => this.#data),
      onDead: (id, isCutOff) => deaths.inherited(id, isCutOff),
      state: () => this.#life.state,
      gatewayVitals: () => this.#control.vitals,
    })
    this.#data.lend(limits.join(this.#data))
    const listening = {
      starts: { 'proxy listener': () => this.#data.listen() },
      stops: { accepting: servesOn(() => this.#data.retire()) },
    }
    this.#life = new Lifecycle({ services: [this.#control, this.#data, listening], options, logger })
  }

  /** See RunningGateway. */
  async start(onProgress: (message: string) => void): Promise<Addresses> {
    await this.#life.start(onProgress)
    return { proxy: await this.#data.listen(), admin: await this.#control.listen() }
  }

  /** See RunningGateway. */
  apply(config: Config): void {
    this.#control.apply(config)
    this.#data.apply(config)
  }

  /** See RunningGateway. */
  stop(): Promise<boolean> {
    return this.#life.stop()
  }

  /** See RunningGateway. */
  get unstored(): number {
    return this.#data.unstored
  }

  /** See RunningGateway. */
  knowsKey(digest: string): boolean {
    return this.#data.knowsKey(digest)
  }
}
