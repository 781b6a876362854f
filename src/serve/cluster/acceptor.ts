import type { AddressInfo } from 'node:net'
import { Periodic } from '../../lib/time/periodic.ts'
import { until } from '../../lib/time/sleep.ts'
import { connectionShares } from './connection-shares.ts'
import { bindProxyAddress, listenError, type BoundHandle } from './listening-socket.ts'
import type { WorkerProcess } from './worker-process.ts'

/** Also looked at without news: a worker may have fallen silent. */
const LOOK_INTERVAL_MS = 1000
/** Longest wait for workers to say that they have let go of the socket. */
const LET_GO_MS = 500

/**
 * The listening socket. It belongs to the primary, which does not accept from it, and is lent to the workers, which do. So it
 * outlives any worker: what comes while workers are replaced, or when all have died, waits in the kernel. Other ways, and what
 * they cost: docs/decisions/0050.
 */
export class Acceptor {
  readonly #workers: () => readonly WorkerProcess[]
  readonly #maxConnections: number
  readonly #onFull: () => void
  #handle: BoundHandle | null = null
  readonly #looks = new Periodic({
    run: async () => this.balance(),
    intervalMs: LOOK_INTERVAL_MS,
    pace: 'beat',
  })
  #onAccepting: () => void = () => {}
  #onFailed: (errno: number) => void = () => {}

  constructor(parts: {
    workers: () => readonly WorkerProcess[]
    maxConnections: number
    /** There are as many connections as may be; called again and again while that is so. */
    onFull?: () => void
  }) {
    this.#onFull = parts.onFull ?? (() => {})
    this.#workers = parts.workers
    this.#maxConnections = parts.maxConnections
  }

  /**
   * Takes the address and lends it out; resolves with it once a worker listens. Rejects with a `ProxyListenError` when it is
   * taken.
   */
  async start(host: string, port: number): Promise<AddressInfo> {
    const { handle, address } = await bindProxyAddress(host, port)
    this.#handle = handle
    this.#looks.start()
    await new Promise<void>((resolve, reject) => {
      this.#onAccepting = resolve
      // Another process may have bound the port in the same moment: whoever listens first has it.
      this.#onFailed = (errno) => reject(listenError(host, port, errno))
      this.balance()
    })
    return address
  }

  /** Shares out anew who accepts. To be called whenever a worker's state has changed. */
  balance(): void {
    const handle = this.#handle
    if (handle === null) return
    const workers = this.#workers()
    const able = workers.filter(({ canAccept }) => canAccept)
    const ready = able.filter(({ isReady }) => isReady)
    // With none ready they are asked all the same, and say why not.
    const chosen = ready.length > 0 ? ready : able
    const others = workers.filter((worker) => !chosen.includes(worker))
    const room = others.reduce((left, { connections }) => left - connections, this.#maxConnections)
    const shares = connectionShares(chosen, room)
    if (chosen.length > 0 && [...shares.values()].every((upTo) => upTo === 0)) this.#onFull()
    for (const worker of workers) worker.accept(shares.get(worker) ?? 0, handle)
    if (workers.some(({ isAccepting }) => isAccepting)) this.#onAccepting()
  }

  /** A worker could not listen. */
  fail(errno: number): void {
    this.#onFailed(errno)
  }

  /**
   * Takes the socket back from all; resolves when the port is closed, or a worker does not say that it has let go. Ours first: the
   * last to let go has to be one that accepts, for the kernel resets what still waits then. Idempotent.
   */
  async stop(): Promise<void> {
    const handle = this.#handle
    this.#handle = null
    void this.#looks.stop(0)
    if (handle === null) return
    handle.close()
    const workers = this.#workers()
    for (const worker of workers) worker.accept(0, handle)
    await until(() => workers.every(({ hasLetGo }) => hasLetGo), { everyMs: 5, ms: LET_GO_MS })
  }
}
