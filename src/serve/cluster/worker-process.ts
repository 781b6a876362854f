import { fork, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { LimitNews } from '../../limits/limit-news.ts'
import type { FamilySamples } from '../../metrics/family.ts'
import { unreachable } from '../../lib/unreachable.ts'
import type { FromWorker, ToWorker, WorkerReport, WorkerStart } from './messages.ts'

const WORKER_FILE = fileURLToPath(new URL('../../worker.js', import.meta.url))

/** Connections that may be on their way to one worker; further ones go to others, or wait. */
const MAX_UNDERWAY = 64

/**
 *   starting   spawned; takes no connections. Exit: `started`, its end.
 *   serving    takes connections. Exit: retire, stop, its own word that it drains, its end.
 *   leaving    takes no new connections, ends those that it has. Exit: its end.
 *   ended      gone, however.
 */
export type WorkerState = 'starting' | 'serving' | 'leaving' | 'ended'

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
  /** Connections handed to it that it never took. */
  readonly untaken: readonly Socket[]
}

/** Who hears of a worker. */
export interface WorkerEvents {
  /** Asked when it begins to listen to us: what it has to know of the limits. */
  readonly limits: () => LimitNews
  /** It could take a connection that it could not take before. */
  readonly onRoom: () => void
  readonly onLimits: (news: LimitNews) => void
  /** It stops, and nobody here had asked for that. */
  readonly onLeaving: () => void
  readonly onEnd: (end: WorkerEnd) => void
}

/** One worker process as the primary sees it. */
export class WorkerProcess {
  readonly worker: number
  /** Resolves once it serves, or has ended before. */
  readonly started: Promise<void>
  /** Resolves once it is ready for traffic, or has ended before. */
  readonly ready: Promise<void>
  readonly ended: Promise<WorkerEnd>
  readonly #child: ChildProcess
  readonly #events: WorkerEvents
  readonly #startedTick = performance.now()
  readonly #asked = new Map<number, (report: WorkerReport) => void>()
  readonly #gathering = new Map<
    number,
    { families: FamilySamples[]; answer: (families: readonly FamilySamples[]) => void }
  >()
  #underway: Socket[] = []
  #state: WorkerState = 'starting'
  #isBegun = false
  #isReady = false
  #open = 0
  #taken = 0
  #lastId = 0
  #instance: string | null = null
  #isClean: boolean | null = null
  #report: WorkerReport | null = null
  #samples: readonly FamilySamples[] = []
  #resolveStarted: () => void = () => {}
  #resolveReady: () => void = () => {}
  #resolveEnded: (end: WorkerEnd) => void = () => {}

  constructor(start: Omit<WorkerStart, 'type' | 'limits'>, events: WorkerEvents) {
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
    // Its log goes where ours goes; there is nothing for it to read or to print.
    this.#child = fork(WORKER_FILE, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.#child.on('message', (message) => this.#onMessage(message as FromWorker, start))
    // The last messages may arrive after the process has gone: the end is when both have come to theirs.
    const exit = new Promise<void>((resolve) => void this.#child.once('exit', () => resolve()))
    const silence = new Promise<void>((resolve) => void this.#child.once('disconnect', () => resolve()))
    void Promise.all([exit, silence]).then(() => this.#onEnd())
    // It could not be spawned; any other error, such as a message to one that is going, ends in the two above.
    this.#child.on('error', () => {
      if (this.#child.pid === undefined) this.#onEnd()
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get state(): WorkerState {
    return this.#state
  }

  /** Id of its process life, once it serves. */
  get instance(): string | null {
    return this.#instance
  }

  /** Connections open in it or on their way to it; never less than there are. */
  get connections(): number {
    return this.#open + this.#underway.length
  }

  /** Connections that it took since its start. */
  get taken(): number {
    return this.#taken
  }

  /** Whether it says that it is ready for traffic. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** What it said of itself last. */
  get report(): WorkerReport | null {
    return this.#report
  }

  get canTake(): boolean {
    return this.#state === 'serving' && this.#underway.length < MAX_UNDERWAY && this.#child.connected
  }

  /** Hands a connection over. Ours stays open until the worker has it, so that it survives the worker's death. */
  hand(socket: Socket): void {
    this.#underway.push(socket)
    this.#child.send({ type: 'connection' } satisfies ToWorker, socket, { keepOpen: true }, () => {})
  }

  apply(message: Extract<ToWorker, { type: 'apply' | 'limits' }>): void {
    if (this.#state !== 'starting' || message.type === 'limits') this.#send(message)
  }

  /** Asks how it is; null when it does not say within `timeoutMs`. */
  ask(digest: string | null, timeoutMs: number): Promise<WorkerReport | null> {
    const id = ++this.#lastId
    return this.#await<WorkerReport | null>(timeoutMs, null, (answer) => {
      this.#asked.set(id, answer)
      this.#send({ type: 'report', id, digest })
      return () => this.#asked.delete(id)
    })
  }

  /** Asks for its metrics; those it gave last when it does not answer within `timeoutMs`. */
  async metrics(timeoutMs: number): Promise<readonly FamilySamples[]> {
    const id = ++this.#lastId
    this.#samples = await this.#await(timeoutMs, this.#samples, (answer) => {
      this.#gathering.set(id, { families: [], answer })
      this.#send({ type: 'metrics', id })
      return () => this.#gathering.delete(id)
    })
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

  async #await<T>(timeoutMs: number, late: T, ask: (answer: (value: T) => void) => () => void): Promise<T> {
    let forget = (): unknown => null
    let timer: NodeJS.Timeout | undefined
    const answered = new Promise<T>((resolve) => {
      forget = ask(resolve)
    })
    const isLate = new Promise<T>((resolve) => {
      timer = setTimeout(() => resolve(late), timeoutMs)
      void this.ended.then(() => resolve(late))
    })
    try {
      return await Promise.race([answered, isLate])
    } finally {
      clearTimeout(timer)
      forget()
    }
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
        this.#events.onRoom()
        return
      case 'taken':
        this.#onTaken()
        return
      case 'state':
        this.#open = message.open
        this.#isReady = message.isReady
        if (this.#isReady) this.#resolveReady()
        return
      case 'limits':
        this.#events.onLimits(message.news)
        return
      case 'report':
        this.#report = message.report
        this.#asked.get(message.id)?.(message.report)
        return
      case 'metrics':
        this.#gathering.get(message.id)?.families.push(message.family)
        return
      case 'metrics_end': {
        const gathered = this.#gathering.get(message.id)
        gathered?.answer(gathered.families)
        return
      }
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

  #onTaken(): void {
    // Only our descriptor is closed: the connection lives on in the worker.
    this.#underway.shift()?.destroy()
    this.#taken++
    this.#open++
    this.#events.onRoom()
  }

  #onEnd(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    const { exitCode: code, signalCode: signal } = this.#child
    const end: WorkerEnd = {
      worker: this.worker,
      taken: this.#taken,
      isClean: this.#isClean,
      code,
      signal,
      report: this.#report,
      samples: this.#samples,
      livedMs: performance.now() - this.#startedTick,
      untaken: this.#underway,
    }
    this.#underway = []
    this.#resolveStarted()
    this.#resolveReady()
    this.#resolveEnded(end)
    this.#events.onEnd(end)
  }
}
