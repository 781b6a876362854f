/** A request that is being answered, as far as its entry would tell already. */
export interface UnderWay {
  readonly startedAtMs: number
  /** '' for none, as in entries. */
  readonly tenant: string
  readonly keyId: string
  readonly route: string
  readonly method: string
  readonly path: string
  readonly clientIp: string
  readonly requestId: string
  readonly isTunnel: boolean
}

/** Requests that take long; `named` are the oldest of them. */
export interface UnderWayList {
  readonly count: number
  readonly named: readonly UnderWay[]
}
