import { type Signal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { ApiError, messageOf } from '../../api/client.ts'
import { type Entry, getEntries } from '../../api/entries.ts'
import { readEntryStream, type StreamFigures, type StreamListener } from '../../api/entry-stream.ts'
import { after, sleep, whileSeen } from '../../state/clock.ts'
import type { Filter } from '../../words/filter.ts'
import { TailBuffer } from './tail-buffer.ts'

/** The page is drawn so often at most. */
const DRAW_MS = 250
/** What it shows of before. */
const BEFORE_ROWS = 100
const BEFORE = { since: '10m', until: '' }
/** A rate is over so long. */
const RATE_MS = 5000
const FALL_MS = 1000
/** The first wait before one comes again; it doubles up to the last. */
const FIRST_WAIT_MS = 1000
const LAST_WAIT_MS = 30_000

/** What a tail shows. */
export interface Tail {
  readonly entries: readonly Entry[]
  /** Since the view was opened. */
  readonly came: number
  /** Of them, those that are not shown while it is paused. */
  readonly waiting: number
  /** Those that are not shown at all; null: how many is not known. */
  readonly leftOut: number | null
  /** Per second. */
  readonly rate: StreamFigures
  readonly isConnected: boolean
  readonly error: string | null
}

const NO_RATE: StreamFigures = { n: 0, errors: 0, refused: 0 }
const NOTHING: Tail = {
  entries: [],
  came: 0,
  waiting: 0,
  leftOut: 0,
  rate: NO_RATE,
  isConnected: false,
  error: null,
}

/** The entries of a filter as they are stored. A page that nobody sees listens to nothing, and is caught up when it is seen. */
export function useTail(key: string, filter: Filter, isPaused: boolean): Tail {
  const state = useSignal<Tail>(NOTHING)
  const run = useRef<TailRun | null>(null)
  useEffect(() => {
    const tail = new TailRun(filter, state)
    run.current = tail
    return () => tail.end()
  }, [key])
  useEffect(() => run.current?.pause(isPaused), [key, isPaused])
  return state.value
}

/** One filter's tail, from its first connection to its last. */
class TailRun implements StreamListener {
  readonly #filter: Filter
  readonly #state: Signal<Tail>
  readonly #buffer = new TailBuffer<Entry>()
  readonly #place = { id: '' }
  #figures: readonly (StreamFigures & { readonly tick: number })[] = []
  #isPaused = false
  #isConnected = false
  #error: string | null = null
  #failures = 0
  #hasBefore = false
  #hasEnded = false
  #cancelDraw: (() => void) | null = null
  #cancelFall = (): void => {}
  readonly #stop: () => void

  constructor(filter: Filter, state: Signal<Tail>) {
    this.#filter = filter
    this.#state = state
    state.value = NOTHING
    this.#stop = whileSeen((signal) => this.#listen(signal))
  }

  end(): void {
    this.#hasEnded = true
    this.#stop()
    this.#cancelDraw?.()
    this.#cancelFall()
  }

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused
    this.#draw()
  }

  readonly onOpen = (): void => {
    this.#isConnected = true
    this.#error = null
    this.#drawSoon()
  }

  // A gateway that breaks off whatever it opens is not well: what comes resets the wait, not the opening.
  readonly onEntry = (entry: Entry): void => {
    this.#failures = 0
    this.#buffer.take(entry)
    this.#drawSoon()
  }

  readonly onLeftOut = (n: number | null): void => {
    this.#buffer.miss(n)
    this.#drawSoon()
  }

  readonly onFigures = (figures: StreamFigures): void => {
    this.#failures = 0
    this.#figures = [...this.#figures, { ...figures, tick: performance.now() }]
    this.#drawSoon()
  }

  /** Listens until the signal, and comes again whenever the connection ends. */
  async #listen(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const ended = readEntryStream(this.#filter, this.#place, this, signal)
        if (!this.#hasBefore) void this.#readBefore(signal)
        await ended
      } catch (error) {
        if (signal.aborted) break
        this.#error = messageOf(error)
        // A filter that the gateway does not take will not be taken later.
        if (error instanceof ApiError && isFinal(error)) break
      }
      this.#isConnected = false
      this.#drawSoon()
      await sleep(Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++), signal)
    }
    this.#isConnected = false
    this.#drawSoon()
  }

  /** The newest of what was stored before: a tail that begins empty looks broken. */
  async #readBefore(signal: AbortSignal): Promise<void> {
    this.#hasBefore = true
    try {
      const page = await getEntries(this.#filter, BEFORE, { cursor: null, signal, limit: BEFORE_ROWS })
      this.#buffer.putBefore(page.items)
      this.#drawSoon()
    } catch {
      // The stream tells what fails; this comes with the next connection.
      this.#hasBefore = false
    }
  }

  #drawSoon(): void {
    this.#cancelDraw ??= after(DRAW_MS, () => this.#draw())
  }

  #draw(): void {
    // The state is that of the next filter by now; a read that was under way may still come to its end.
    if (this.#hasEnded) return
    this.#cancelDraw?.()
    this.#cancelDraw = null
    const buffer = this.#buffer
    if (!this.#isPaused) buffer.show()
    const rate = this.#rate()
    this.#state.value = {
      entries: buffer.rows,
      came: buffer.came,
      waiting: buffer.fresh,
      leftOut: buffer.isMoreLeftOut ? null : buffer.leftOut,
      rate,
      isConnected: this.#isConnected,
      error: this.#error,
    }
    this.#cancelFall()
    // Rates fall, though nothing comes.
    if (this.#figures.length > 0) this.#cancelFall = after(FALL_MS, () => this.#draw())
  }

  #rate(): StreamFigures {
    const from = performance.now() - RATE_MS
    this.#figures = this.#figures.filter(({ tick }) => tick > from)
    const sum = (name: keyof StreamFigures): number =>
      this.#figures.reduce((n, figures) => n + figures[name], 0) / (RATE_MS / 1000)
    return { n: sum('n'), errors: sum('errors'), refused: sum('refused') }
  }
}

function isFinal({ status }: ApiError): boolean {
  return status >= 400 && status < 500 && status !== 429 && status !== 408
}
