import type { Config } from '../config/config.ts'

/** Where a listener is. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Where the gateway's listeners are. */
export interface Addresses {
  readonly proxy: Address
  readonly admin: Address
}

/** A gateway, of one process or of several. */
export interface RunningGateway {
  readonly instance: string
  /** Entries accepted and neither stored nor dropped yet; of workers, as they told last. */
  readonly unstored: number
  /**
   * A database that is away does not keep the gateway from starting: it answers 503 until the first snapshot. Rejects when a port is
   * taken or the database refuses for good; then `stop` is still owed.
   */
  start(onProgress: (message: string) => void): Promise<Addresses>
  /** Takes over what a reload may change. */
  apply(config: Config): void
  /** Whether all processes that serve know the key with this digest already. */
  knowsKey(digest: string): boolean | Promise<boolean>
  /** See `Lifecycle.stop`. */
  stop(): Promise<boolean>
}
