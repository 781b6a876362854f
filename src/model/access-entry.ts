import type { ArtifactKind } from './artifact/identity.ts'
import type { CANARY_OUTCOME } from './canary.ts'
import type { Outcome, Reason } from './outcome.ts'
import type { Route, RouteKind } from './route.ts'
import type { RuleMark } from './rules/rule.ts'

/** Upper bounds of an entry's texts, in UTF-16 code units; what is longer is cut and marked by `capText`. */
export const ENTRY_TEXT_MAX = {
  method: 32,
  host: 255,
  path: 2048,
  userAgent: 512,
  requestId: 128,
  traceId: 32,
  upstreamLimit: 256,
  digest: 136,
} as const

/**
 * Likewise of what the background tells from them. A package whose texts are longer is left out, not cut: it would be another one. A row of
 * the index of packages takes 2,704 bytes (PostgreSQL manual §11.2), and a code unit three of them at most.
 */
export const PACKAGE_TEXT_MAX = { package: 512, version: 256, qualifiers: 1024 } as const

/** The span of a request that is in a sampled trace (W3C Trace Context §3.2.2.5); ids are 16 lower-case hex digits. */
export interface EntrySpan {
  readonly id: string
  /** The client's span; '' where the gateway began the trace. */
  readonly parentId: string
  /** What the upstream was told as its parent. */
  readonly upstreamId: string
  /** From the request's arrival to its sending upstream, microseconds; -1 when it was not sent. */
  readonly sentUs: number
}

/**
 * What an entry may claim in a full channel. `stray`: nothing, it goes first, like one that has no tenant: the tenant is that of a
 * key that was refused, and its bearer need not be of that tenant. `loose`: it gives way to all others that have a tenant. `firm`: its fair share of the
 * room. `held`: the place that was reserved for it before its request was let through; it is never displaced.
 */
export type EntryStanding = 'stray' | 'loose' | 'firm' | 'held'

/**
 * One request, as it will stand in `access_log`. A class, so that every instance has the same hidden shape.
 * Measured: about 900 bytes of heap with typical texts. Times are epoch milliseconds, durations microseconds.
 */
export class AccessEntry {
  /** Assigned by the channel on acceptance: counts without holes within one process life; 0 before. */
  seq = 0
  /** Epoch milliseconds at which the request's head had arrived; set once. */
  startedAtMs = 0
  /** Tenant slug, or '' when the request could not be attributed. */
  tenant = ''
  keyId = ''
  route = ''
  kind: RouteKind | '' = ''
  method = ''
  host = ''
  path = ''
  /** Status that the client saw, 499 when it left first, 101 for an upgraded connection. */
  status = 0
  outcome: Outcome | typeof CANARY_OUTCOME = 'internal'
  reason: Reason | null = null
  /** Body bytes from the client; for an upgraded connection all bytes after the handshake. */
  bytesReceived = 0
  bytesSent = 0
  durationUs = 0
  /** Time to the upstream's response headers; -1 when there were none. */
  upstreamUs = -1
  /** `host:port` that the request was sent to; '' when it was sent nowhere. */
  upstream = ''
  clientIp = ''
  userAgent = ''
  requestId = ''
  /** W3C trace id: 32 lower-case hex digits. */
  traceId = ''
  ecosystem = ''
  /** Name, version and qualifiers of the package, see `PackageId`. */
  package = ''
  version = ''
  qualifiers = ''
  artifactKind: ArtifactKind | '' = ''
  /** What the upstream said of its own rate limit: see `RequestNotes`. */
  upstreamLimit = ''
  /** The rule that concerned it, and what it did; '' for none. */
  ruleId = ''
  ruleAction: RuleMark | '' = ''
  /** Whole milliseconds that it was held because of a limit; 0 when it was not. */
  heldMs = 0

  /* For the background alone, which identifies the artifact; no columns. */
  routed: Route | null = null
  /** Digest of the artifact, as the upstream's answer names it: `sha256:…`. */
  digest = ''
  /** For the traces; null outside of sampled ones, and once it is made. */
  span: EntrySpan | null = null

  /** For the channel alone; no column. */
  standing: EntryStanding = 'firm'

  /* The channel's own; nobody else touches them. */
  /** Estimated bytes on the heap. */
  bytes = 0
  /** Lost its place in the queue to another entry. */
  isEvicted = false
  /** Next entry of the same tenant in the queue. */
  next: AccessEntry | null = null
}

/** The data plane's end of the channel. */
export interface EntrySink {
  /**
   * Hands an entry over. Never waits, never throws, allocates nothing.
   * Returns false when the entry had to be dropped; the drop is counted by tenant and reason.
   */
  push(entry: AccessEntry): boolean
  /**
   * Asks for a place for the entry of a request that must not go on without one. Null when it is granted: then one entry with the
   * standing `held` is owed to `push`, and cannot be displaced. Else why not. Never waits.
   */
  reserve(tenant: string): ReserveRefusal | null
}

/** Why no place can be promised: nothing takes entries away at present, or too many places are promised already. */
export type ReserveRefusal = 'log_blocked' | 'log_full'

/**
 * Cuts `text` to at most `max` code units. A cut text ends in `…+N`, N being the number of units cut off, so that a
 * capped value can be told from a short one. The result does not keep a longer parent string alive.
 */
export function capText(text: string, max: number): string {
  if (text.length <= max) return text
  const mark = `…+${text.length - max}`
  // Buffer round trip: a plain slice() would pin the whole 64 KB parent in memory for as long as the entry lives.
  return Buffer.from(text.slice(0, max - mark.length), 'utf16le').toString('utf16le') + mark
}

/** What a log line about one request is found by: columns of its entry. */
export type RequestIds = Readonly<Pick<AccessEntry, 'requestId' | 'traceId'>>

/** Told of what should never happen, and to which request it did; without one where none is known. */
export type Report = (error: unknown, request?: RequestIds) => void
