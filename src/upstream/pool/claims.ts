import { faultOf, upstreamFailure } from '../failure.ts'
import type { OriginPool, Place, PlaceTaker } from '../origin-pool.ts'
import { Claim, type Holder } from '../places.ts'
import type { ResponseReceiver, UpstreamRequest } from '../request.ts'
import { ProgressMark } from '../slow-transfers.ts'
import type { UpstreamTarget } from '../socket.ts'

/** A request that waits for a connection of its pool. */
export class RequestClaim extends Claim {
  readonly #pool: OriginPool
  readonly #request: UpstreamRequest
  readonly #receiver: ResponseReceiver

  constructor(holder: Holder, pool: OriginPool, request: UpstreamRequest, receiver: ResponseReceiver) {
    super(holder, request.tick)
    this.#pool = pool
    this.#request = request
    this.#receiver = receiver
  }

  override take(): void {
    this.#pool.send(this.holder, this.#request, this.#receiver)
  }

  override refuse(error: Error): void {
    this.#receiver.onError(error, false)
  }
}

/** A tunnel that waits for a place of its pool. */
export class PlaceClaim extends Claim {
  readonly #pool: OriginPool
  readonly #taker: PlaceTaker

  constructor(holder: Holder, sinceTick: number, pool: OriginPool, taker: PlaceTaker) {
    super(holder, sinceTick)
    this.#pool = pool
    this.#taker = taker
  }

  override take(): void {
    this.#pool.hold(this.holder, this.#taker)
  }

  override refuse(error: Error): void {
    this.#taker.onRefused(error)
  }
}

/** A place that a tunnel has. */
export class HeldPlace implements Place {
  readonly target: UpstreamTarget
  readonly holder: Holder
  readonly taker: PlaceTaker
  readonly mark = new ProgressMark()
  readonly #pool: OriginPool
  readonly #onRelease: (place: HeldPlace) => void

  constructor(
    pool: OriginPool,
    target: UpstreamTarget,
    holder: Holder,
    taker: PlaceTaker,
    onRelease: (place: HeldPlace) => void,
  ) {
    this.#pool = pool
    this.target = target
    this.holder = holder
    this.taker = taker
    this.#onRelease = onRelease
  }

  answered(status: number): void {
    this.#pool.onAnswer(status, performance.now())
  }

  failed(error: NodeJS.ErrnoException): void {
    this.#pool.onFault(faultOf(error, upstreamFailure(error).outcome === 'upstream_reset'))
  }

  release(): void {
    this.#onRelease(this)
  }
}
