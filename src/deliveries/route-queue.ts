import type { DeliverRules } from '../model/delivery/deliver-rules.ts'
import { CircuitBreaker, type BreakerState } from '../upstream/health/circuit-breaker.ts'
import type { WorkItem } from './delivery-store.ts'
import { DueHeap, type Due } from './due-heap.ts'

/** Items that are held in memory of a route, and of one lane of it: what is behind them waits in the database. */
const MAX_ITEMS = 10_000
const MAX_OF_LANE = 200
/** One without an order that waits longer than this waits in the database alone. */
export const FAR_MS = 30_000

/** What is sent in one call. */
export interface Batch {
  /** Whose body is sent: the latest. */
  readonly item: WorkItem
  /** Those that it stands for, oldest first, itself the last. */
  readonly all: readonly WorkItem[]
  /** This attempt's number, from 1. */
  readonly attempt: number
}

/** The items of one order; one that keeps none is a lane of its own. */
interface Lane extends Due {
  readonly key: string
  /** Oldest first. */
  readonly items: WorkItem[]
  dueTick: number
  seq: number
  attempts: number
  isBusy: boolean
  /** It was full: more of it may wait in the database, before what comes now. */
  isThinned: boolean
  /** Entries of the heap with another number are old. */
  turn: number
}

interface Turn extends Due {
  readonly lane: Lane
  readonly turn: number
}

/**
 * What a route's owner decides on in memory: which of its deliveries goes next. One of a lane at a time, in the order of their numbers,
 * as many lanes at once as the route allows; a lane whose first one waits for another attempt holds up no other lane.
 *
 *   waiting ──due──► under way ──delivered──► gone
 *      ▲                 └──failed──► waiting, until its next attempt; the lane with it
 */
export class RouteQueue {
  breaker: CircuitBreaker
  #rules: DeliverRules
  readonly #onBreaker: (state: BreakerState) => void
  readonly #known = new Map<number, Lane>()
  readonly #lanes = new Map<string, Lane>()
  readonly #heap = new DueHeap<Turn>()
  #busy = 0
  /** The highest number that was added. */
  #lastSeq = 0
  /** Something of a lower number may wait in the database: a lane that was full has room again, or a look found more than there was room for. */
  hasGaps = false

  /** `onBreaker` is told of each new state of the receiver's breaker. */
  constructor(rules: DeliverRules, onBreaker: (state: BreakerState) => void = () => {}) {
    this.#rules = rules
    this.#onBreaker = onBreaker
    this.breaker = breakerOf(rules, onBreaker)
  }

  /** A reload may change them. */
  set rules(rules: DeliverRules) {
    const { failures, openMs } = this.#rules.breaker
    this.#rules = rules
    if (rules.breaker.failures !== failures || rules.breaker.openMs !== openMs)
      this.breaker = breakerOf(rules, this.#onBreaker)
  }

  /** Items in memory. */
  get size(): number {
    return this.#known.size
  }

  get busy(): number {
    return this.#busy
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  /** How many more it takes. */
  get room(): number {
    return MAX_ITEMS - this.#known.size
  }

  /** Lanes that take no more: what comes behind in them stays in the database. */
  get fullLanes(): string[] {
    return this.#lanesThat(({ items }) => items.length >= MAX_OF_LANE)
  }

  /** Lanes of which more may wait in the database: what is new of them is not for now, full or not. */
  get thinnedLanes(): string[] {
    return this.#lanesThat(({ isThinned }) => isThinned)
  }

  /** Numbers of what it has, beyond one. */
  known(afterSeq: number): number[] {
    const seqs: number[] = []
    for (const seq of this.#known.keys()) if (seq > afterSeq) seqs.push(seq)
    return seqs
  }

  /** All that waits was looked at and added but what is of these lanes: the others lack nothing unless they are full again. */
  lacksOnly(lanes: readonly string[]): void {
    const left = new Set(lanes)
    for (const lane of this.#lanes.values())
      if (lane.items.length < MAX_OF_LANE && !left.has(lane.key)) lane.isThinned = false
  }

  /** Takes items in, in any order; those that it has are passed over. */
  add(items: readonly WorkItem[], nowTick: number): void {
    for (const item of items) {
      if (this.#known.has(item.seq)) continue
      const key = item.lane === '' ? `#${item.seq}` : item.lane
      let lane = this.#lanes.get(key)
      if (lane !== undefined && lane.items.length >= MAX_OF_LANE) continue
      if (lane === undefined) {
        lane = { key, items: [], dueTick: 0, seq: 0, attempts: 0, isBusy: false, isThinned: false, turn: 0 }
        this.#lanes.set(key, lane)
      }
      this.#known.set(item.seq, lane)
      this.#lastSeq = Math.max(this.#lastSeq, item.seq)
      insertInOrder(lane.items, item)
      lane.isThinned ||= lane.items.length >= MAX_OF_LANE
      if (lane.items[0] === item && !lane.isBusy) this.#arm(lane, this.#dueTickOf(item, nowTick))
    }
  }

  /** What goes now; null when nothing may. The caller owes an `end` for it. */
  next(nowTick: number): Batch | null {
    if (this.#busy >= this.#rules.concurrency || !this.breaker.isPassable(nowTick)) return null
    for (;;) {
      const first = this.#heap.first
      if (first === undefined || first.dueTick > nowTick) return null
      this.#heap.pop()
      const { lane, turn } = first
      const [head] = lane.items
      if (lane.turn !== turn || lane.isBusy || head === undefined) continue
      lane.isBusy = true
      this.#busy++
      this.breaker.canTry(nowTick)
      const all = this.#rules.coalesce === null ? [head] : companions(lane.items, head)
      return { item: all.at(-1) ?? head, all, attempt: lane.attempts + 1 }
    }
  }

  /** An attempt has ended: what it stood for is gone, or waits for `delayMs`. An attempt that was not made counts as none. */
  end(
    batch: Batch,
    ending: { readonly delayMs: number; readonly isMade: boolean } | 'gone',
    nowTick: number,
  ): void {
    const [head] = batch.all
    const lane = head === undefined ? undefined : this.#known.get(head.seq)
    if (lane === undefined || !lane.isBusy) return
    lane.isBusy = false
    this.#busy--
    if (ending === 'gone') {
      for (const { seq } of batch.all) this.#known.delete(seq)
      const gone = new Set(batch.all)
      const left = lane.items.filter((item) => !gone.has(item))
      const wasHalf = lane.items.length >= MAX_OF_LANE / 2
      lane.items.length = 0
      lane.items.push(...left)
      if (lane.isThinned && (left.length === 0 || (wasHalf && left.length < MAX_OF_LANE / 2)))
        this.hasGaps = true
      const [next] = left
      if (next === undefined) this.#lanes.delete(lane.key)
      else this.#arm(lane, this.#dueTickOf(next, nowTick))
      return
    }
    if (ending.isMade) lane.attempts++
    if (head?.lane === '' && ending.isMade && ending.delayMs > FAR_MS) {
      this.#known.delete(head.seq)
      this.#lanes.delete(lane.key)
      return
    }
    this.#rearm(lane, nowTick + ending.delayMs)
  }

  /** Milliseconds until something may be due; Infinity for nothing, or for what an attempt's end will tell. */
  dueInMs(nowTick: number): number {
    if (this.#busy >= this.#rules.concurrency) return Infinity
    const first = this.#heap.first
    if (first === undefined) return Infinity
    return Math.max(0, first.dueTick - nowTick, this.breaker.waitMs(nowTick))
  }

  #lanesThat(is: (lane: Lane) => boolean): string[] {
    const keys: string[] = []
    for (const lane of this.#lanes.values()) if (is(lane)) keys.push(lane.key)
    return keys
  }

  #dueTickOf({ coalesceBy, ageMs, dueInMs }: WorkItem, nowTick: number): number {
    const { coalesce } = this.#rules
    const window = coalesce === null || coalesceBy === '' ? 0 : coalesce.windowMs - ageMs
    return nowTick + Math.max(0, dueInMs, window)
  }

  /** The lane's first item is another one. */
  #arm(lane: Lane, dueTick: number): void {
    const [head] = lane.items
    lane.seq = head?.seq ?? 0
    lane.attempts = head?.attempts ?? 0
    this.#rearm(lane, dueTick)
  }

  #rearm(lane: Lane, dueTick: number): void {
    lane.dueTick = dueTick
    lane.turn++
    this.#heap.push({ lane, turn: lane.turn, dueTick, seq: lane.seq })
  }
}

/** One that opens by failures in a row. Each of its attempts comes to an end: no second trial is needed. */
function breakerOf(
  { breaker: { failures, openMs } }: DeliverRules,
  onBreaker: (state: BreakerState) => void,
): CircuitBreaker {
  const rules = { failureShare: 1, minAttempts: failures, windowMs: Infinity, openMs, maxOpenMs: openMs }
  return new CircuitBreaker({ ...rules, isInARow: true, trialMs: Infinity }, onBreaker)
}

/** What one call stands for: the first item, and all known ones of its lane that are to become one with it. */
function companions(items: readonly WorkItem[], head: WorkItem): WorkItem[] {
  return head.coalesceBy === '' ? [head] : items.filter(({ coalesceBy }) => coalesceBy === head.coalesceBy)
}

function insertInOrder(items: WorkItem[], item: WorkItem): void {
  let at = items.length
  while (at > 0 && (items[at - 1]?.seq ?? 0) > item.seq) at--
  items.splice(at, 0, item)
}
