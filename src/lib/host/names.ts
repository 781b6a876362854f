import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { type Clock, systemClock } from '../time/clock.ts'

/** Milliseconds, and numbers of look-ups at once. */
export interface NameOptions {
  /** An answer is used for so long without asking again. */
  readonly cacheMs: number
  /** An answer is used for so long when asking again brings none. */
  readonly staleMs: number
  /** A caller that waits for a look-up gets an error after this; the look-up itself cannot be called back. */
  readonly timeoutMs: number
  /** Look-ups under way at once that are not overdue. */
  readonly maxLookups: number
}

export const DEFAULT_NAME_OPTIONS: NameOptions = {
  cacheMs: 5000,
  staleMs: 3_600_000,
  timeoutMs: 5000,
  maxLookups: 2,
}

/** Asks the system, as `dns.lookup` does with `all: true`. */
export type AskSystem = (
  name: string,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** A name was not resolved in time, or too many wait for one. */
export class NameLookupError extends Error {
  readonly code = 'EAI_AGAIN'

  constructor(name: string, why: string) {
    super(`the name ${name} was not resolved: ${why}`)
    this.name = 'NameLookupError'
  }
}

type Answer = (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void

interface Name {
  readonly name: string
  addresses: readonly LookupAddress[]
  /** Monotonic ms of the last answer; -Infinity before the first. */
  answeredTick: number
  /** Monotonic ms until which the last failure stands. */
  failedUntilTick: number
  failure: NodeJS.ErrnoException | null
  state: 'idle' | 'queued' | 'asking'
  waiting: Answer[]
  /** Address → monotonic ms of the last answer that had it. */
  readonly seen: Map<string, number>
}

/** With an answer at hand that is old, a new one is waited for no longer than this. */
const PATIENCE_MS = 300
/** A failure is not asked about again for so long. */
const FAILURE_MS = 1000
const MAX_NAMES = 4096
const MAX_WAITING = 16_384
/** Overdue look-ups give up their place, but never to more than this: libuv has four threads, and files need one. */
const MAX_THREADS = 3
const MAX_SEEN = 256

/**
 * Resolves names for all that connects. `getaddrinfo` reads /etc/hosts, search domains and the other sources of the system,
 * and so does no other resolver; but it blocks one of libuv's four threads for as long as a name server is silent. Therefore:
 *
 * - one look-up per name at a time, for all its callers;
 * - few at once, others wait in a queue; one that is overdue no longer counts, up to a number that leaves threads for files;
 * - an answer is kept for `cacheMs`; older than that it is asked for anew, and used when no new one comes;
 * - no caller waits longer than `timeoutMs`.
 */
export class Names {
  readonly #ask: AskSystem
  readonly #clock: Clock
  readonly #names = new Map<string, Name>()
  readonly #queue: Name[] = []
  options: NameOptions = DEFAULT_NAME_OPTIONS
  /** Look-ups under way, and those of them that are overdue. */
  #asking = 0
  #overdue = 0
  #waiting = 0

  constructor(ask: AskSystem, clock: Clock = systemClock) {
    this.#ask = ask
    this.#clock = clock
  }

  /** For the `lookup` option of `net.connect`. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    const wanted = options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : (options.family ?? 0)
    this.resolve(hostname, (error, all) => {
      const addresses = wanted === 0 ? all : all.filter(({ family }) => family === wanted)
      const [first] = addresses
      if (error !== null) callback(error, '')
      else if (first === undefined) callback(new NameLookupError(hostname, 'no such address'), '')
      else if (options.all === true) callback(null, addresses.slice())
      else callback(null, first.address, first.family)
    })
  }

  /** Calls back once, in a later turn. */
  resolve(hostname: string, done: Answer): void {
    const entry = this.#entry(hostname)
    const age = this.#clock.nowMs() - entry.answeredTick
    if (age <= this.options.cacheMs) {
      process.nextTick(done, null, entry.addresses)
      return
    }
    const { failure } = entry
    const isUsable = age <= this.options.staleMs
    if (failure !== null && this.#clock.nowMs() < entry.failedUntilTick) {
      process.nextTick(done, isUsable ? null : failure, isUsable ? entry.addresses : [])
      return
    }
    if (this.#waiting >= MAX_WAITING) {
      process.nextTick(
        done,
        isUsable ? null : new NameLookupError(hostname, 'too many wait'),
        entry.addresses,
      )
      return
    }
    this.#wait(entry, isUsable, done)
    this.#begin(entry)
  }

  /**
   * Whether the name still leads to the address, as far as is known; asks anew when the last answer is old. True while nothing
   * is known, and for an address that was among the answers a short while ago: some servers give a few of many in turn.
   */
  leadsTo(hostname: string, address: string): boolean {
    const entry = this.#names.get(hostname)
    if (entry === undefined || entry.answeredTick === -Infinity) return true
    const now = this.#clock.nowMs()
    if (now - entry.answeredTick > this.options.cacheMs && now >= entry.failedUntilTick) this.#begin(entry)
    const seenTick = entry.seen.get(address)
    return seenTick !== undefined && entry.answeredTick - seenTick <= 2 * this.options.cacheMs
  }

  #entry(name: string): Name {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const entry: Name = {
      name,
      addresses: [],
      answeredTick: -Infinity,
      failedUntilTick: 0,
      failure: null,
      state: 'idle',
      waiting: [],
      seen: new Map(),
    }
    if (this.#names.size >= MAX_NAMES) this.#evict()
    this.#names.set(name, entry)
    return entry
  }

  /** The oldest without a caller. */
  #evict(): void {
    for (const [name, { state, waiting }] of this.#names) {
      if (state !== 'idle' || waiting.length > 0) continue
      this.#names.delete(name)
      return
    }
  }

  #wait(entry: Name, isUsable: boolean, done: Answer): void {
    this.#waiting++
    const settle: Answer = (error, addresses) => {
      cancel()
      this.#waiting--
      // What is known is better than an error.
      if (error !== null && isUsable) done(null, entry.addresses)
      else done(error, addresses)
    }
    const cancel = this.#clock.after(isUsable ? PATIENCE_MS : this.options.timeoutMs, () => {
      const at = entry.waiting.indexOf(settle)
      if (at !== -1) entry.waiting.splice(at, 1)
      settle(new NameLookupError(entry.name, 'no answer in time'), [])
    })
    entry.waiting.push(settle)
  }

  #begin(entry: Name): void {
    if (entry.state !== 'idle') return
    if (this.#queue.length >= MAX_NAMES) return
    entry.state = 'queued'
    this.#queue.push(entry)
    this.#pump()
  }

  #pump(): void {
    const { maxLookups } = this.options
    while (
      this.#queue.length > 0 &&
      this.#asking - this.#overdue < maxLookups &&
      this.#asking < Math.max(maxLookups, MAX_THREADS)
    ) {
      const entry = this.#queue.shift()
      if (entry === undefined) return
      // Its callers have given up.
      if (entry.waiting.length === 0 && entry.answeredTick === -Infinity) entry.state = 'idle'
      else this.#askFor(entry)
    }
  }

  #askFor(entry: Name): void {
    entry.state = 'asking'
    this.#asking++
    let isOverdue = false
    const cancel = this.#clock.later(this.options.timeoutMs, () => {
      isOverdue = true
      this.#overdue++
      this.#pump()
    })
    this.#ask(entry.name, (error, addresses) => {
      cancel()
      this.#asking--
      if (isOverdue) this.#overdue--
      entry.state = 'idle'
      if (error === null && addresses.length > 0) this.#learn(entry, addresses)
      else this.#fail(entry, error ?? new NameLookupError(entry.name, 'no address'))
      const { waiting } = entry
      entry.waiting = []
      for (const settle of waiting) settle(entry.failure, entry.addresses)
      this.#pump()
    })
  }

  #learn(entry: Name, addresses: LookupAddress[]): void {
    const now = this.#clock.nowMs()
    entry.addresses = addresses
    entry.answeredTick = now
    entry.failure = null
    if (entry.seen.size + addresses.length > MAX_SEEN) entry.seen.clear()
    for (const { address } of addresses) entry.seen.set(address, now)
  }

  #fail(entry: Name, error: NodeJS.ErrnoException): void {
    entry.failure = error
    entry.failedUntilTick = this.#clock.nowMs() + FAILURE_MS
  }
}
