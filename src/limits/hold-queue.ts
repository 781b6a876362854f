import { type Clock, systemClock } from '../lib/time/clock.ts'
import type { HoldStats } from '../model/stats.ts'

const LOOK_MS = 10
/** Decided again in one look at most: others of the process wait for it. */
const MAX_PER_LOOK = 256
/** What is over its limit is of few tenants: one of them leaves room for the others. */
const TENANT_SHARE = 0.5

/** How a request that is held was decided again: by now it is `admitted`, `refused` or `gone`; else the lane in which it waits. */
export type Verdict = 'admitted' | 'refused' | 'gone' | { readonly lane: string }

/** A request that waits until its limit lets it pass. */
export interface Held {
  /** Slug. */
  readonly tenant: string
  /** By the queue's clock; then it is decided for good. */
  readonly untilMs: number
  /** Decides again, for good when `isLast`, and acts on it. Does not throw. */
  tryAgain(isLast: boolean): Verdict
}

interface Place {
  readonly lane: string
  readonly sinceMs: number
}

/**
 * Requests over a limit that are held until it lets them pass: one lane for each bucket, in the order of arrival; lanes take turns, so that
 * no tenant waits for another's. Bounded in all, and by half of that for one tenant. Between its looks, which it makes while anything is
 * held, it costs nothing.
 */
export class HoldQueue {
  readonly #max: number
  readonly #clock: Clock
  readonly #lanes = new Map<string, Set<Held>>()
  readonly #places = new Map<Held, Place>()
  readonly #byTenant = new Map<string, number>()
  #isLooking = false
  #admitted = 0
  #refused = 0
  #gone = 0
  #heldMs = 0

  /** At most `max` are held; 0 holds none. */
  constructor(max: number, clock: Clock = systemClock) {
    this.#max = max
    this.#clock = clock
  }

  /** Whether it holds anything at all. */
  get isOn(): boolean {
    return this.#max > 0
  }

  get size(): number {
    return this.#places.size
  }

  /** Read-only view for metrics. */
  get stats(): HoldStats {
    const ended = { admitted: this.#admitted, refused: this.#refused, gone: this.#gone }
    return { held: this.size, ended, seconds: this.#heldMs / 1000 }
  }

  /** The time by which `untilMs` is. */
  nowMs(): number {
    return this.#clock.nowMs()
  }

  /** Whether others wait for the bucket. */
  hasLane(name: string): boolean {
    return this.#lanes.has(name)
  }

  /** Puts it at the end of a lane; false when there is no room. */
  join(held: Held, lane: string): boolean {
    const ofTenant = this.#byTenant.get(held.tenant) ?? 0
    if (this.size >= this.#max || ofTenant >= Math.ceil(this.#max * TENANT_SHARE)) return false
    this.#byTenant.set(held.tenant, ofTenant + 1)
    this.#put(held, { lane, sinceMs: this.nowMs() })
    if (!this.#isLooking) this.#lookLater()
    return true
  }

  /** It has ended otherwise. */
  leave(held: Held): void {
    const place = this.#places.get(held)
    if (place === undefined) return
    this.#remove(held, place)
    this.#gone++
  }

  #lookLater(): void {
    this.#isLooking = true
    this.#clock.later(LOOK_MS, () => this.#look())
  }

  #look(): void {
    const nowMs = this.nowMs()
    for (const held of this.#places.keys()) if (nowMs >= held.untilMs) this.#try(held, true)
    let left = MAX_PER_LOOK
    for (let hasMoved = true; hasMoved && left > 0;) {
      hasMoved = false
      for (const name of this.#lanes.keys()) {
        const [first] = this.#lanes.get(name) ?? []
        if (first === undefined || left-- <= 0) continue
        if (this.#try(first, false)) hasMoved = true
      }
    }
    this.#isLooking = false
    if (this.size > 0) this.#lookLater()
  }

  /** True when it waits in its lane no more. */
  #try(held: Held, isLast: boolean): boolean {
    const verdict = held.tryAgain(isLast)
    const place = this.#places.get(held)
    // What it did had it leave.
    if (place === undefined) return true
    if (typeof verdict === 'object') {
      if (verdict.lane === place.lane) return false
      this.#take(held, place.lane)
      this.#put(held, { ...place, lane: verdict.lane })
      return true
    }
    this.#remove(held, place)
    if (verdict === 'admitted') this.#admitted++
    else if (verdict === 'refused') this.#refused++
    else this.#gone++
    return true
  }

  #put(held: Held, place: Place): void {
    const others = this.#lanes.get(place.lane)
    if (others === undefined) this.#lanes.set(place.lane, new Set([held]))
    else others.add(held)
    this.#places.set(held, place)
  }

  #take(held: Held, lane: string): void {
    const others = this.#lanes.get(lane)
    others?.delete(held)
    if (others?.size === 0) this.#lanes.delete(lane)
  }

  #remove(held: Held, { lane, sinceMs }: Place): void {
    this.#take(held, lane)
    this.#places.delete(held)
    this.#heldMs += this.nowMs() - sinceMs
    const ofTenant = (this.#byTenant.get(held.tenant) ?? 0) - 1
    if (ofTenant > 0) this.#byTenant.set(held.tenant, ofTenant)
    else this.#byTenant.delete(held.tenant)
  }
}
