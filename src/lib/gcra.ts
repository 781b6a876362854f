/**
 * Generic Cell Rate Algorithm (ITU-T I.371, virtual scheduling form). A bucket is one number: the theoretical arrival
 * time (TAT) in milliseconds. A request at `now` conforms when TAT - now ≤ (burst - 1) × interval, interval = 1000 / rate.
 * In every window of T seconds, however aligned, at most burst + rate × T requests conform.
 */
export interface GcraBucket {
  /** Theoretical arrival time of the next request, epoch or monotonic milliseconds; 0 when never used. */
  tatMs: number
}

/** A thousandth of a request is rounding: after days of uptime a double of milliseconds is that coarse. */
const ROUNDING = 1e-3

/** Milliseconds until a request would conform; 0 when it does now. Changes nothing. */
export function gcraWaitMs(bucket: GcraBucket, perSecond: number, burst: number, nowMs: number): number {
  const intervalMs = 1000 / perSecond
  const wait = bucket.tatMs - nowMs - (burst - 1) * intervalMs
  return wait > intervalMs * ROUNDING ? wait : 0
}

/** Takes one request out of the bucket; call it only after `gcraWaitMs` gave 0. */
export function gcraTake(bucket: GcraBucket, perSecond: number, nowMs: number): void {
  bucket.tatMs = Math.max(bucket.tatMs, nowMs) + 1000 / perSecond
}

/** Requests that would conform right now. */
export function gcraRemaining(bucket: GcraBucket, perSecond: number, burst: number, nowMs: number): number {
  const ahead = Math.max(bucket.tatMs - nowMs, 0) / (1000 / perSecond)
  return Math.max(0, Math.floor(burst - ahead + ROUNDING))
}
