import { ADVANCE_MS, firstShare, type LimitLoans, type LimitNews, type Loan } from './limit-news.ts'

/** A worker that has not given back what it was asked for within this time is taken to have used it. */
const RECALL_TIMEOUT_MS = 1000
/** One that had nothing to give back is not asked again for so long. */
const REST_MS = 100
/** A bucket that is unused for so long goes back to first shares. */
const IDLE_MS = 1000
/** A bucket is looked at so often at least. */
const MAX_LOOK_MS = 10_000
/** Buckets served in one tick: some 10 µs each. */
const MAX_AT_ONCE = 2000
/** Rounding: a millionth of a request. */
const ROUNDING = 1e-6

/** What one worker holds of a bucket. */
interface Holding<P> {
  readonly worker: P
  lent: number
  /** Of places; 0 of rates. */
  inUse: number
  want: number
  usedAtMs: number
  /** Grows: the worker that was lent something longest ago comes first. */
  turn: number
  /** When it was asked to give back; null when it is not. */
  recalledAtMs: number | null
  restsUntilMs: number
}

/** One bucket in use. A bucket that no worker has told of is full, and each worker holds its first share of it. */
interface Account<P> {
  readonly name: string
  perSecond: number
  burst: number
  /** Not lent. Below 0 by what was lent in advance, or when a limit was lowered. */
  level: number
  /** To all workers. */
  lent: number
  atMs: number
  usedAtMs: number
  dueAtMs: number
  readonly holdings: Map<P, Holding<P>>
}

interface Mail {
  loans: Map<string, Loan>
  forgotten: Set<string>
}

/**
 * The control plane's side of shared limits: a bank, see `LimitExchange` for when it speaks. Of each bucket the requests
 * that may be admitted lie here or with a worker, and never more of them than the bucket holds:
 *
 *     level + lent to all workers ≤ max(burst, workers)        the level grows by the rate, up to that
 *
 * so that all workers together admit no more at any instant. Loans follow demand: a worker that runs short is given of the
 * level, and what others hold and do not use is asked back for it. A bucket that is full again goes back to first shares.
 *
 * With fewer requests in a bucket than there are workers each holds one all the same, so that no worker's first request is refused for
 * where it arrived; the part beyond the burst is never lent to another worker. `P` identifies a worker, or
 * whatever else admits requests by what it is lent.
 */
export class LimitHub<P> {
  readonly #workers: number
  readonly #accounts = new Map<string, Account<P>>()
  readonly #mail = new Map<P, Mail>()
  #isUrgent = false
  #turns = 0

  /** For a gateway of so many workers. */
  constructor(workers: number) {
    this.#workers = workers
  }

  /** Somebody waits for what there is to be told. */
  get isUrgent(): boolean {
    return this.#isUrgent
  }

  /** Whether a bucket is in use, so that `tick` has something to do, or a worker has not been told all. */
  get isBusy(): boolean {
    if (this.#accounts.size > 0) return true
    return [...this.#mail.values()].some(({ loans, forgotten }) => loans.size + forgotten.size > 0)
  }

  /** Adds a worker; returns what it has to know from the start. */
  join(worker: P): LimitLoans {
    this.#mail.set(worker, { loans: new Map(), forgotten: new Set() })
    const accounts = [...this.#accounts.values()]
    for (const { holdings } of accounts) holdings.set(worker, newHolding(worker, 0))
    const inUse = accounts.map(({ name, perSecond, burst }) => [name, perSecond, burst] as const)
    return { inUse, loans: [], forgotten: [] }
  }

  /** Forgets a worker. What it held of rates counts as used; its places are free. */
  leave(worker: P): void {
    this.#mail.delete(worker)
    for (const account of this.#accounts.values()) {
      const holding = account.holdings.get(worker)
      if (holding === undefined) continue
      if (account.perSecond === 0) account.level += holding.lent
      setLent(account, holding, 0)
      account.holdings.delete(worker)
      account.dueAtMs = 0
    }
  }

  /** Takes in what a worker told, and lends what it can. */
  hear(worker: P, news: LimitNews, nowMs: number): void {
    if (!this.#mail.has(worker)) return
    for (const [name, perSecond, burst, used, want, returned] of news.buckets) {
      const account = this.#accounts.get(name) ?? this.#open(name, perSecond, burst, nowMs)
      this.#accrue(account, nowMs)
      this.#relimit(account, perSecond, burst)
      const holding = account.holdings.get(worker)
      if (holding === undefined) continue
      const isPlaces = perSecond === 0
      if (isPlaces) holding.inUse = used
      const lent = holding.lent - (isPlaces ? 0 : used) - returned
      // Below 0: written off, and used after all, a debt.
      account.level += returned + Math.min(0, lent)
      setLent(account, holding, Math.max(0, lent))
      holding.want = want
      if (holding.recalledAtMs !== null && returned === 0) holding.restsUntilMs = nowMs + REST_MS
      holding.recalledAtMs = null
      if ((used > 0 && !isPlaces) || want > 0) account.usedAtMs = holding.usedAtMs = nowMs
      this.#serve(account, nowMs)
    }
  }

  /** Lends what has come back since. To be called every `LIMIT_NEWS_INTERVAL_MS` while the hub is busy. */
  tick(nowMs: number): void {
    let served = 0
    for (const account of this.#accounts.values()) {
      if (nowMs < account.dueAtMs) continue
      this.#accrue(account, nowMs)
      this.#serve(account, nowMs)
      // The others are as due at the next tick.
      if (++served >= MAX_AT_ONCE) return
    }
  }

  /** What a worker has not been told yet; null when it knows all. */
  loansFor(worker: P): LimitLoans | null {
    this.#isUrgent = false
    const mail = this.#mail.get(worker)
    if (mail === undefined || mail.loans.size + mail.forgotten.size === 0) return null
    const loans = { inUse: [], loans: [...mail.loans.values()], forgotten: [...mail.forgotten] }
    mail.loans.clear()
    mail.forgotten.clear()
    return loans
  }

  #open(name: string, perSecond: number, burst: number, nowMs: number): Account<P> {
    const share = firstShare(burst, this.#workers)
    const holdings = new Map<P, Holding<P>>()
    for (const worker of this.#mail.keys()) holdings.set(worker, newHolding(worker, share))
    const lent = share * holdings.size
    const level = this.#capacityOf(burst) - lent
    const times = { atMs: nowMs, usedAtMs: nowMs, dueAtMs: 0 }
    const account = { name, perSecond, burst, level, lent, ...times, holdings }
    this.#accounts.set(name, account)
    return account
  }

  #capacityOf(burst: number): number {
    return Math.max(burst, this.#workers)
  }

  #accrue(account: Account<P>, nowMs: number): void {
    const gained = (account.perSecond * Math.max(0, nowMs - account.atMs)) / 1000
    account.atMs = nowMs
    account.level = Math.min(account.level + gained, this.#capacityOf(account.burst) - account.lent)
  }

  /** What was used stays used, in requests. */
  #relimit(account: Account<P>, perSecond: number, burst: number): void {
    account.level += this.#capacityOf(burst) - this.#capacityOf(account.burst)
    account.perSecond = perSecond
    account.burst = burst
  }

  #serve(account: Account<P>, nowMs: number): void {
    let hungry = 0
    for (const holding of account.holdings.values()) {
      if (holding.want > 0) hungry++
      if (holding.recalledAtMs === null || nowMs - holding.recalledAtMs < RECALL_TIMEOUT_MS) continue
      setLent(account, holding, 0)
      holding.recalledAtMs = null
    }
    if (hungry > 0) this.#feed(account, nowMs)
    else this.#settle(account, nowMs)
  }

  /** Gives the hungry what is there, in equal parts, and asks the others for what is missing. */
  #feed(account: Account<P>, nowMs: number): void {
    account.dueAtMs = nowMs
    const hungry = [...account.holdings.values()]
      .filter(({ want }) => want > 0)
      .toSorted((a, b) => a.turn - b.turn)
    let rest = Math.max(0, this.#lendable(account))
    let missing = 0
    for (const [i, holding] of hungry.entries()) {
      const most = Math.min(holding.want, account.burst - holding.lent)
      const give = Math.max(0, Math.min(Math.ceil(rest / (hungry.length - i)), most))
      rest -= give
      missing += Math.max(0, most - give)
      this.#give(account, holding, give)
    }
    const there = Math.floor(this.#spare(account) + ROUNDING)
    let ask = Math.min(missing, there) - rest
    for (const { recalledAtMs, lent } of account.holdings.values()) if (recalledAtMs !== null) ask -= lent
    for (const holding of account.holdings.values()) {
      if (ask < 1) return
      if (holding.recalledAtMs !== null || nowMs < holding.restsUntilMs) continue
      // A worker that is short itself keeps its part.
      const kept = holding.want > 0 ? Math.ceil(there / hungry.length) : 0
      const back = Math.max(0, Math.min(ask, Math.floor(holding.lent - kept)))
      ask -= back
      this.#recall(account, holding, back, nowMs)
    }
  }

  /** Back to first shares, the latest user first; of a bucket out of use, loans beyond them are asked back. */
  #settle(account: Account<P>, nowMs: number): void {
    const share = firstShare(account.burst, this.#workers)
    let needy = neediest(account, share)
    for (; needy !== null && this.#lendable(account) >= 1; needy = neediest(account, share))
      this.#give(account, needy, Math.min(share - needy.lent, this.#lendable(account)))
    const fullLevel = this.#capacityOf(account.burst) - share * account.holdings.size
    const idleAtMs = account.usedAtMs + IDLE_MS
    const gainMs = needy === null ? this.#untilMs(account, fullLevel) : this.#nextMs(account)
    account.dueAtMs = nowMs + Math.min(gainMs, MAX_LOOK_MS)
    if (needy === null) account.dueAtMs = Math.max(account.dueAtMs, idleAtMs)
    // Overdrawn by more than what is lent in advance: the limit was lowered.
    if (nowMs < idleAtMs && this.#there(account) >= -ROUNDING) return
    let isEven = true
    for (const holding of account.holdings.values()) {
      if (holding.lent !== share) isEven = false
      const surplus = Math.floor(holding.lent - share)
      if (surplus < 1 || holding.recalledAtMs !== null) continue
      account.dueAtMs = Math.min(account.dueAtMs, nowMs + IDLE_MS)
      if (nowMs >= holding.restsUntilMs) this.#recall(account, holding, surplus, nowMs)
    }
    if (isEven && account.level >= fullLevel - ROUNDING) this.#forget(account)
  }

  #forget({ name }: Account<P>): void {
    this.#accounts.delete(name)
    for (const mail of this.#mail.values()) mail.forgotten.add(name)
  }

  /** What the bucket holds by its own law, lent or not. */
  #spare(account: Account<P>): number {
    return account.level + account.lent - (this.#capacityOf(account.burst) - account.burst)
  }

  /** Whole requests that may be lent now. */
  #lendable(account: Account<P>): number {
    return Math.floor(this.#there(account) + ROUNDING)
  }

  #there(account: Account<P>): number {
    return Math.min(account.level, this.#spare(account)) + (account.perSecond * ADVANCE_MS) / 1000
  }

  /** Until one more may be lent. */
  #nextMs(account: Account<P>): number {
    const there = this.#there(account)
    return ((Math.floor(there + ROUNDING) + 1 - there) * 1000) / account.perSecond
  }

  /** Until that much is there; 0 when it is. */
  #untilMs(account: Account<P>, level: number): number {
    const missing = level - ROUNDING - account.level
    return missing <= 0 ? 0 : (missing * 1000) / account.perSecond
  }

  /** With 0 it is told what is left: it refuses meanwhile, and has to say until when. */
  #give(account: Account<P>, holding: Holding<P>, give: number): void {
    if (give > 0) holding.turn = ++this.#turns
    setLent(account, holding, holding.lent + give)
    holding.want -= give
    account.level -= give
    this.#post(account, holding.worker, give, 0)
  }

  #recall(account: Account<P>, holding: Holding<P>, back: number, nowMs: number): void {
    if (back < 1) return
    holding.recalledAtMs = nowMs
    this.#post(account, holding.worker, 0, back)
  }

  #left(account: Account<P>): number {
    let left = this.#spare(account)
    for (const { inUse } of account.holdings.values()) left -= inUse
    return left
  }

  #post(account: Account<P>, worker: P, give: number, back: number): void {
    const mail = this.#mail.get(worker)
    if (mail === undefined) return
    const { name, perSecond, burst } = account
    const [, , , given = 0, asked = 0] = mail.loans.get(name) ?? []
    mail.forgotten.delete(name)
    mail.loans.set(name, [name, perSecond, burst, given + give, asked + back, this.#left(account)])
    if (give + back > 0) this.#isUrgent = true
  }
}

function newHolding<P>(worker: P, lent: number): Holding<P> {
  return { worker, lent, inUse: 0, want: 0, usedAtMs: 0, turn: 0, recalledAtMs: null, restsUntilMs: 0 }
}

function setLent<P>(account: Account<P>, holding: Holding<P>, lent: number): void {
  account.lent += lent - holding.lent
  holding.lent = lent
}

/** The latest user of the bucket among the workers with less than a first share; null when there is none. */
function neediest<P>({ holdings }: Account<P>, share: number): Holding<P> | null {
  let found: Holding<P> | null = null
  for (const holding of holdings.values()) {
    if (holding.lent < share && (found === null || holding.usedAtMs > found.usedAtMs)) found = holding
  }
  return found
}
