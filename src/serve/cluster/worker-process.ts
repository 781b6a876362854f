import type { ChildProcess } from 'node:child_process'
import type { LimitMember } from '../../limits/limit-exchange.ts'
import type { LimitLoans, LimitNews } from '../../limits/limit-news.ts'
import type { FamilySamples } from '../../metrics/family.ts'
import { unreachable } from '../../lib/unreachable.ts'
import type { BoundHandle } from './listening-socket.ts'
import { PendingReplies } from './pending-replies.ts'
import {
  LAST_METRICS,
  type FromWorker,
  type ToWorker,
  type WorkerLife,
  type WorkerReport,
  type WorkerStart,
  type WorkerState,
} from './messages.ts'

/** A worker that has said nothing for so long hangs: the others do not wait for it when connections are shared out. */
const SILENT_MS = 3000

/**
 *   starting   spawned; takes no connections. Exit: `started`, its end.
 *   serving    takes connections. Exit: retire, stop, its own word that it drains, its end.
 *   leaving    takes no new connections, ends those that it has. Exit: its end.
 *   ended      gone, however.
 */
export type WorkerPhase = 'starting' | 'serving' | 'leaving' | 'ended'

/** How a worker's process ended. */
export interface WorkerEnd {
  readonly worker: number
  /** Connections that it took. */
  readonly taken: number
  /** It stopped in order; false when something was broken off or lost, null when it died. */
  readonly isClean: boolean | null
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Its last report: the final one when it stopped in order. */
  readonly report: WorkerReport | null
  readonly samples: readonly FamilySamples[]
  readonly livedMs: number
  /** The life in which it wrote entries; null when it had not come so far. */
  readonly life: WorkerLife | null
}

/** Who hears of a worker. */
export interface WorkerEvents {
  /** Asked when it begins to listen to us: what it has to know of the limits. */
  readonly limits: () => LimitLoans
  /** Its connections, its readiness or its state are not what they were. */
  readonly onState: () => void
  /** It could not listen on the socket it was given. */
  readonly onListenFailed: (errno: number) => void
  readonly onLimits: (news: LimitNews) => void
  /** It stops, and nobody here had asked for that. */
  readonly onLeaving: () => void
  readonly onEnd: (end: WorkerEnd) => void
}

/** One worker process as the primary sees it. */
export class WorkerProcess implements LimitMember {
  readonly worker: number
  /** Resolves once it serves, or has ended before. */
  readonly started: Promise<void>
  /** Resolves once it is ready for traffic, or has ended before. */
  readonly ready: Promise<void>
  readonly ended: Promise<WorkerEnd>
  readonly #child: ChildProcess
  readonly #events: WorkerEvents
  readonly #startedTick = performance.now()
  readonly #reports = new PendingReplies<WorkerReport | null>()
  readonly #scrapes = new PendingReplies<readonly FamilySamples[]>()
  /** Families that have come of answers that are not complete yet, by question. */
  readonly #families = new Map<number, FamilySamples[]>()
  #state: WorkerPhase = 'starting'
  #isBegun = false
  #told: WorkerState = { isReady: false, open: 0, taken: 0, isAccepting: false, ask: 0 }
  #toldTick = 0
  #acceptsUpTo = 0
  #lastAsk = 0
  #lastId = LAST_METRICS
  #instance: string | null = null
  #life: WorkerLife | null = null
  #isClean: boolean | null = null
  #report: WorkerReport | null = null
  #samples: readonly FamilySamples[] = []
  #resolveStarted: () => void = () => {}
  #resolveReady: () => void = () => {}
  #resolveEnded: (end: WorkerEnd) => void = () => {}

  /** `child` may have been spawned a while ago; nobody has listened to it so far. */
  constructor(start: Omit<WorkerStart, 'type' | 'limits'>, events: WorkerEvents, child: ChildProcess) {
    this.worker = start.worker
    this.#events = events
    this.started = new Promise((resolve) => {
      this.#resolveStarted = resolve
    })
    this.ready = new Promise((resolve) => {
      this.#resolveReady = resolve
    })
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    this.#child = child
    child.on('message', (message) => this.#onMessage(message as FromWorker, start))
    void untilGone(child).then(() => this.#onEnd())
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get state(): WorkerPhase {
    return this.#state
  }

  /** Id of its process life, once it serves. */
  get instance(): string | null {
    return this.#instance
  }

  /** Connections open in it, as it told last. */
  get connections(): number {
    return this.#told.open
  }

  /** Connections that it took since its start. */
  get taken(): number {
    return this.#told.taken
  }

  /** Whether it says that it is ready for traffic. */
  get isReady(): boolean {
    return this.#told.isReady
  }

  /** What it said of itself last. */
  get report(): WorkerReport | null {
    return this.#report
  }

  /** Whether it was heard of lately: what is sent to one that hangs waits in our memory. */
  get isHeard(): boolean {
    return performance.now() - this.#toldTick < SILENT_MS
  }

  /** Whether it can be given connections: it serves, and is heard of. */
  get canAccept(): boolean {
    return this.#state === 'serving' && this.isHeard
  }

  /** Whether it takes connections, as it told last. */
  get isAccepting(): boolean {
    return this.#told.isAccepting
  }

  /** Whether it has heard all that was said of accepting, and has let go of the socket; also when it has ended. */
  get hasLetGo(): boolean {
    return this.#state === 'ended' || (!this.#told.isAccepting && this.#told.ask === this.#lastAsk)
  }

  /** Up to how many connections it accepts; 0 when it does not. */
  get acceptsUpTo(): number {
    return this.#acceptsUpTo
  }

  /** Has it accept from the socket until it has so many connections; 0 to stop. */
  accept(upTo: number, handle: BoundHandle): void {
    if (upTo === this.#acceptsUpTo || !this.#child.connected) return
    const message: ToWorker = { type: 'accept', upTo, ask: ++this.#lastAsk }
    // It lets go of the socket when it stops. Ours stays open.
    if (upTo > 0 && this.#acceptsUpTo === 0) this.#child.send(message, handle as never, {}, () => {})
    else this.#send(message)
    this.#acceptsUpTo = upTo
  }

  apply(message: Extract<ToWorker, { type: 'apply' | 'end_connections' }>): void {
    if (this.#state !== 'starting') this.#send(message)
  }

  /** See LimitMember. */
  lend(loans: LimitLoans): void {
    this.#send({ type: 'limits', loans })
  }

  /** Asks how it is; null when it does not say within `timeoutMs`. */
  ask(digest: string | null, timeoutMs: number): Promise<WorkerReport | null> {
    const id = ++this.#lastId
    const send = (): void => this.#send({ type: 'report', id, digest })
    return this.#reports.ask(id, send, { timeoutMs, late: null })
  }

  /** Asks for its metrics; those it gave last when it does not answer within `timeoutMs`. */
  async metrics(timeoutMs: number): Promise<readonly FamilySamples[]> {
    const id = ++this.#lastId
    const send = (): void => this.#send({ type: 'metrics', id })
    this.#samples = await this.#scrapes.ask(id, send, { timeoutMs, late: this.#samples })
    return this.#samples
  }

  /** Takes no further connections and ends those it has, each after its next answer, then stops. */
  retire(): void {
    this.#leave('retire')
  }

  /** Stops in order, within the bounds of its options. */
  stop(): void {
    this.#leave('stop')
  }

  /** Ends it at once. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #leave(type: 'retire' | 'stop'): void {
    if (this.#state === 'ended') return
    this.#state = 'leaving'
    if (this.#isBegun) {
      this.#send({ type })
      return
    }
    // It has not even been told what to do.
    this.#isClean = true
    this.kill()
  }

  #send(message: ToWorker): void {
    // One that is gone hears nothing; its end is told by 'exit'.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  #onMessage(message: FromWorker, start: Omit<WorkerStart, 'type' | 'limits'>): void {
    switch (message.type) {
      case 'online':
        if (this.#isBegun || this.#state !== 'starting') return
        this.#isBegun = true
        this.#send({ type: 'start', ...start, limits: this.#events.limits() })
        return
      case 'started':
        this.#instance = message.instance
        if (this.#state === 'starting') this.#state = 'serving'
        this.#resolveStarted()
        return
      case 'life':
        this.#life = message
        return
      case 'state':
        this.#told = message
        this.#toldTick = performance.now()
        // It stopped by itself, at its number, and has let go of the socket; unless it had not heard us yet.
        if (!message.isAccepting && message.ask === this.#lastAsk) this.#acceptsUpTo = 0
        if (this.isReady) this.#resolveReady()
        this.#events.onState()
        return
      case 'listen_failed':
        this.#acceptsUpTo = 0
        this.#events.onListenFailed(message.errno)
        return
      case 'limits':
        this.#events.onLimits(message.news)
        return
      case 'report':
        this.#report = message.report
        this.#reports.reply(message.id, message.report)
        return
      case 'metrics': {
        const families = this.#families.get(message.id) ?? []
        families.push(message.family)
        this.#families.set(message.id, families)
        return
      }
      case 'metrics_end':
        this.#onMetrics(message.id)
        return
      case 'draining':
        if (this.#state === 'leaving') return
        this.#state = 'leaving'
        this.#events.onLeaving()
        return
      case 'ended':
        this.#isClean = message.isClean
        this.#report = message.report
        return
      default:
        unreachable(message)
    }
  }

  #onMetrics(id: number): void {
    const families = this.#families.get(id) ?? []
    this.#families.delete(id)
    if (id === LAST_METRICS) this.#samples = families
    else this.#scrapes.reply(id, families)
  }

  #onEnd(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    const { exitCode: code, signalCode: signal } = this.#child
    const end: WorkerEnd = {
      worker: this.worker,
      taken: this.taken,
      isClean: this.#isClean,
      code,
      signal,
      report: this.#report,
      samples: this.#samples,
      livedMs: performance.now() - this.#startedTick,
      life: this.#life,
    }
    this.#resolveStarted()
    this.#resolveReady()
    this.#resolveEnded(end)
    this.#reports.end()
    this.#scrapes.end()
    this.#events.onEnd(end)
  }
}

/** The last messages may arrive after the process has gone: the end is when both have come to theirs. */
async function untilGone(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return
  const hasExited = child.exitCode !== null || child.signalCode !== null
  const exit = hasExited ? null : new Promise<void>((resolve) => void child.once('exit', () => resolve()))
  const silence = child.connected
    ? new Promise<void>((resolve) => void child.once('disconnect', () => resolve()))
    : null
  await Promise.all([exit, silence])
}
