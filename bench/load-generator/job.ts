/** What the load generator is asked to do: one line of JSON on its standard input. */
export interface Job {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  /**
   * Requests per second, each sent at its own time whether or not others have been answered (open model); null: each
   * connection sends its next request as soon as the last is answered (closed model).
   */
  readonly rate: number | null
  /** End after this many requests, if that comes before `seconds`. */
  readonly maxRequests: number | null
  /** Request heads, used in turn. */
  readonly heads: readonly string[]
  /** Bytes of the request's body; the heads must say so. */
  readonly bodyBytes: number
  /** A new connection for each request; the heads must say `Connection: close`. */
  readonly isNewConnections: boolean
}

/** What it answers: one line of JSON on its standard output. */
export interface JobResult {
  /** Requests written, whole. */
  readonly sent: number
  /** Answers that arrived whole, whatever their status. */
  readonly completed: number
  /** Answers with another status than 200. */
  readonly refused: number
  /** Connections that broke before the whole answer. */
  readonly broken: number
  readonly bodyBytes: number
  /** From the first request to the last answer. */
  readonly seconds: number
  readonly latencyMs: Latency
  /** CPU time of the generator itself per request: when this nears 1/rate, it is the generator that is measured. */
  readonly cpuUsPerRequest: number
}

/** In the open model from the time at which the request was due, so waiting for a free connection counts. */
export interface Latency {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}
