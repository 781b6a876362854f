import { get } from './client.ts'

/** One thing that is wrong, or will be. */
export interface StateReason {
  readonly code: string
  readonly detail: string
}

/** A worker process of the gateway. */
export interface Worker {
  readonly worker: number
  readonly pid: number
  readonly instance: string | null
  readonly state: string
  readonly isReady: boolean
  readonly connections: number
  readonly requests: number | null
  readonly database: string | null
}

/** The entries that the gateway writes itself to see how long one takes to the table. */
export interface Canary {
  /** From its acceptance to its commit, of the newest that arrived. */
  readonly roundTripMs: number | null
  /** Since that one was sent. */
  readonly ageMs: number
}

/** The live figures of the gateway that serves the console. Totals count from its start. */
export interface Overview {
  readonly ready: boolean
  readonly reasons: readonly StateReason[]
  readonly warnings?: readonly StateReason[]
  readonly version: string
  readonly instance: string
  readonly uptimeMs: number
  readonly requests: {
    readonly total: number
    readonly byOutcome: Readonly<Record<string, number>>
    readonly inFlight: number
    readonly connections: number
    readonly upgradedConnections: number
    readonly bytesReceived: number
    readonly bytesSent: number
  }
  readonly limits: { readonly refusals: Readonly<Record<string, number>>; readonly inFlightTenants: number }
  readonly accessLog: {
    readonly writerMode: string
    readonly accepted: number
    readonly stored: number
    readonly spilled: number
    readonly quarantined: number
    readonly buffered: number
    readonly dropped: Readonly<Record<string, number>>
    readonly channelEntries: number
    readonly capacityEntries: number
    readonly channelBytes: number
    readonly capacityBytes: number
    readonly oldestUnflushedAgeMs: number
    readonly consecutiveFailures: number
    readonly pendingReplay: number | null
    readonly canary?: Canary | null
  }
  readonly directory: { readonly ageMs: number | null; readonly keys: number; readonly tenants: number }
  readonly database: {
    readonly state: string
    readonly sinceMs: number
    readonly silentMs: number | null
    readonly error: string | null
    readonly isStoring: boolean
  }
  readonly workers?: readonly Worker[]
}

export function getOverview(signal: AbortSignal): Promise<Overview> {
  return get<Overview>('/api/v1/overview', { signal, timeoutMs: 2000 })
}
