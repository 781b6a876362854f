import type { Options } from '../config/options.ts'
import { systemClock, type Clock } from '../lib/time/clock.ts'
import { runPhases } from '../lib/time/phases.ts'
import { sleep } from '../lib/time/sleep.ts'
import type { Logger } from '../logger/logger.ts'

/** The order in which the processes of a gateway start; each has some of the phases. What each one waits for has bounds of its own. */
export const START_ORDER = [
  {
    name: 'database',
    does: 'asks the database, migrates it and makes partitions; goes on without one that is away',
  },
  { name: 'directory', does: 'begins to load tenants and keys' },
  { name: 'access log', does: 'begins to store entries, and what dead processes left' },
  { name: 'deaths', does: 'begins to look which instances have died' },
  { name: 'upkeep', does: 'begins roll-ups and audits' },
  { name: 'admin listener', does: 'listens' },
  { name: 'snapshot', does: 'waits for tenants and keys, within bounds' },
  { name: 'workers', does: 'waits until each worker serves, or has died' },
  { name: 'proxy listener', does: 'listens, or takes the connections that the primary lends' },
] as const

/** What a phase of a stop may take beyond what it is told, to break off what it has; then it is given up. */
const OVER_MS = 1000
/** What the disk has for entries that the database did not take in time. */
const SPILL_MS = 2000
/** After its time the log spills, closes the spill and writes the end of its instance: two seconds each. */
const LOG_OVER_MS = 3 * SPILL_MS + OVER_MS

/** A row of `STOP_ORDER`. */
interface StopRow {
  readonly name: string
  readonly does: string
  /** Milliseconds that the phase is told to take at most; never more than `leftMs`, the rest of the grace. */
  readonly ms: (o: Options, leftMs: number) => number
  /** Milliseconds after which it is given up, beyond those. */
  readonly overMs: number
}

/**
 * The order in which the processes of a gateway stop; each has some of the phases, and a phase that hangs or throws does not keep the
 * next from running. The admin listener is late, so that what the drain did can be read.
 */
export const STOP_ORDER = [
  { name: 'audit', does: 'begins no further audit', ms: () => 0, overMs: OVER_MS },
  {
    name: 'accepting',
    does: 'accepts and serves as before, while balancers learn that the gateway goes',
    ms: (o) => o['shutdown.acceptMs'],
    overMs: OVER_MS,
  },
  { name: 'proxy listener', does: 'closes the port, in all workers', ms: () => 500, overMs: OVER_MS },
  {
    name: 'requests',
    does: 'closes the port, finishes requests, and breaks off what is left',
    ms: (o) => o['shutdown.drainTimeoutMs'],
    overMs: OVER_MS,
  },
  {
    name: 'deliveries',
    does: 'ends attempts, notes what came of them, and gives its routes to other processes',
    ms: (_, leftMs) => Math.min(5000, leftMs / 4),
    overMs: OVER_MS,
  },
  {
    name: 'access log',
    does: 'stores entries, and spills what cannot be stored',
    ms: (o, leftMs) => Math.min(o['shutdown.flushTimeoutMs'], Math.max(0, leftMs - SPILL_MS)),
    overMs: LOG_OVER_MS,
  },
  {
    name: 'workers',
    does: 'has all workers do the same, and kills those that do not end',
    ms: (_, leftMs) => leftMs,
    overMs: OVER_MS,
  },
  { name: 'upstream connections', does: 'closes connections to upstreams', ms: () => 0, overMs: OVER_MS },
  { name: 'directory', does: 'writes the last uses of keys', ms: () => 2000, overMs: OVER_MS },
  { name: 'deaths', does: 'writes which instances have died', ms: () => 1000, overMs: OVER_MS },
  // Beyond the longest of its statements.
  { name: 'upkeep', does: 'ends upkeep and roll-ups', ms: () => 10_000, overMs: OVER_MS },
  { name: 'admin listener', does: 'answers what was asked, and closes', ms: () => 1000, overMs: OVER_MS },
  { name: 'database handles', does: 'closes connections to the database', ms: () => 2000, overMs: OVER_MS },
  {
    name: 'database',
    does: 'lets go of the embedded database',
    ms: (_, leftMs) => leftMs,
    overMs: OVER_MS,
  },
] as const satisfies readonly StopRow[]

type StartName = (typeof START_ORDER)[number]['name']
type StopName = (typeof STOP_ORDER)[number]['name']

/** What a part of a process does in the phases of start and stop. */
export interface Service {
  /** A step that rejects ends the start; the stop is owed then. */
  readonly starts: Readonly<Partial<Record<StartName, (onProgress: (message: string) => void) => unknown>>>
  /** Called with the milliseconds that the step may take. One that resolves false was not clean: something was broken off or lost. */
  readonly stops: Readonly<Partial<Record<StopName, (ms: number) => unknown>>>
}

/** The step `accepting`: each answer ends its connection while new ones are still accepted. Does nothing when there is no time for it. */
export function servesOn(endConnections: () => void): (ms: number) => Promise<void> {
  return async (ms) => {
    if (ms === 0) return
    endConnections()
    await sleep(ms)
  }
}

/** Kept back of the grace, for the process to end in. */
const EXIT_MARGIN_MS = 500
/** Of that, for phases that overrun. */
const OVERRUN_MS = 250
/** A phase has this time even after the grace: all of them together less than what is kept back. */
const LEAST_MS = 15

/** The life of one process of a gateway: `starting → ready → draining → stopped`. */
export class Lifecycle {
  readonly #services: readonly Service[]
  readonly #options: Options
  readonly #logger: Logger
  readonly #clock: Clock
  #state: 'starting' | 'ready' | 'draining' | 'stopped' = 'starting'
  #stopped: Promise<boolean> | null = null

  constructor(parts: { services: readonly Service[]; options: Options; logger: Logger; clock?: Clock }) {
    this.#services = parts.services
    this.#options = parts.options
    this.#logger = parts.logger
    this.#clock = parts.clock ?? systemClock
  }

  /** Whether traffic should come depends on more than this: see `readinessOf`. */
  get state(): 'starting' | 'ready' | 'draining' | 'stopped' {
    return this.#state
  }

  /** Starts in order. Rejects with what the first step that fails rejects with. A stop meanwhile ends it. */
  async start(onProgress: (message: string) => void): Promise<void> {
    for (const { name } of START_ORDER) {
      for (const { starts } of this.#services) {
        if (this.#stopped !== null) return
        await starts[name]?.(onProgress)
      }
    }
    if (this.#state === 'starting') this.#state = 'ready'
  }

  /** Not ready from now on; `stop` is still owed. */
  drain(): void {
    if (this.#stopped === null) this.#state = 'draining'
  }

  /**
   * Stops in order, within `shutdown.graceMs`. Never rejects; resolves true when nothing was broken off or lost. A second call returns
   * the same promise.
   */
  stop(): Promise<boolean> {
    this.drain()
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<boolean> {
    const startedAtMs = this.#clock.nowMs()
    /** What is left of the grace but for `marginMs`. */
    const leftMs = (marginMs: number): number =>
      Math.max(0, this.#options['shutdown.graceMs'] - marginMs - (this.#clock.nowMs() - startedAtMs))
    let isClean = true
    const phases = STOP_ORDER.flatMap(({ name, ms, overMs }: StopRow & { name: StopName }) => {
      const steps = this.#services.flatMap(({ stops }) => stops[name] ?? [])
      if (steps.length === 0) return []
      const toldMs = (): number => {
        const left = leftMs(EXIT_MARGIN_MS)
        return Math.min(ms(this.#options, left), left)
      }
      const limitMs = (): number => Math.max(LEAST_MS, Math.min(toldMs() + overMs, leftMs(OVERRUN_MS)))
      const run = async (): Promise<void> => {
        const told = toldMs()
        const results = await Promise.all(steps.map((step) => step(told)))
        if (results.includes(false)) isClean = false
      }
      return [{ name, limitMs, run }]
    })
    const results = await runPhases(
      phases,
      ({ name, ms, error }) => {
        if (error === null) this.#logger.info({ phase: name, ms }, 'stopped')
        else this.#logger.error({ phase: name, does: whatDoes(name), ms, err: error }, 'stop failed')
      },
      this.#clock,
    )
    this.#state = 'stopped'
    return isClean && results.every(({ error }) => error === null)
  }
}

function whatDoes(phase: string): string | undefined {
  return STOP_ORDER.find(({ name }) => name === phase)?.does
}
