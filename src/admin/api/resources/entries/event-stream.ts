import type { ServerResponse } from 'node:http'
import { systemClock } from '../../../../lib/time/clock.ts'
import { safeJson } from '../../../../lib/safe-text.ts'
import type { EntryRow } from '../../../../model/entry-columns.ts'
import { REFUSED_OUTCOMES } from '../../../../store/entry-search/histogram.ts'
import { entryBody, type EntryView } from './entry-body.ts'
import type { TailListener } from './entry-tail.ts'
import type { EventStreamBounds } from './stream-bounds.ts'
import { writeAtPace } from './write-at-pace.ts'

/** `figures` come at most twice a second. */
const FIGURES_MS = 500

/** The bodies of rows by view: each is made once for all who get it. */
const TEXTS = new Map<EntryView, WeakMap<EntryRow, string>>()

/**
 * Entries as server-sent events (HTML standard, §9.2) to one client, at its pace: what it does not take waits, up to a bound, and is
 * left out and counted beyond.
 */
export class EventStream implements TailListener {
  readonly #out: ServerResponse
  readonly #matches: (row: EntryRow) => boolean
  readonly #view: EntryView
  readonly #idOf: () => string
  readonly #bounds: EventStreamBounds
  #queue: EntryRow[] = []
  #leftOut = 0
  /** Rows that come before the head is sent, and while the client is caught up on what it missed; null from then on. */
  #held: EntryRow[] | null = []
  readonly #caughtUp = new Set<string>()
  #figures = { n: 0, errors: 0, refused: 0 }
  #areFiguresDue = false
  /** Since when the client has taken nothing that was written; null while it takes. */
  #stalledAtMs: number | null = null

  /** `idOf`: the id of events now, with which a client comes again. */
  constructor(
    out: ServerResponse,
    options: {
      readonly matches: (row: EntryRow) => boolean
      readonly view: EntryView
      readonly idOf: () => string
      readonly bounds: EventStreamBounds
    },
  ) {
    this.#out = out
    this.#matches = options.matches
    this.#view = options.view
    this.#idOf = options.idOf
    this.#bounds = options.bounds
    out.on('drain', () => {
      this.#stalledAtMs = null
      this.#pump()
    })
  }

  take(rows: readonly EntryRow[]): void {
    for (const row of rows) {
      if (this.#matches(row)) this.#offer(row)
    }
    this.#pump()
  }

  fail(): void {
    this.#out.destroy()
  }

  /** Begins: who is cut off before anything came, comes again with this id. */
  begin(id: string): void {
    this.#write(`id: ${id}\nretry: 2000\n\n`)
  }

  /**
   * Sends what was stored before the client came, at its pace, while new rows are held back. Their events have no id: who is cut off among
   * them comes again with that of before. Rejects as `writeAtPace`.
   */
  async catchUp(rows: readonly EntryRow[], gone: AbortSignal): Promise<void> {
    for (const row of rows) {
      this.#caughtUp.add(row.id)
      await writeAtPace(this.#out, `event: entry\ndata: ${textOf(row, this.#view)}\n\n`, gone)
    }
  }

  /** Sends what was held back until now, without what was caught up. */
  release(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const row of held) if (!this.#caughtUp.has(row.id)) this.#push(row)
    this.#caughtUp.clear()
    this.#pump()
    this.#tellPlace()
  }

  /** Tells the client that it misses entries that nobody has counted. */
  sayLeftOut(): void {
    this.#write('event: left-out\ndata: {"n":null}\n\n')
  }

  /** Tells proxies and the client that the stream lives; ends it when the client has stalled for too long. */
  beat(): void {
    if (this.#stalledAtMs === null) this.#tellPlace()
    else if (systemClock.nowMs() - this.#stalledAtMs > this.#bounds.maxStallMs) this.#out.destroy()
  }

  /** The id of a client to which everything was sent, though no entry passed its filter; a comment while it is caught up. */
  #tellPlace(): void {
    const isAllSent = this.#held === null && this.#stalledAtMs === null
    this.#write(isAllSent ? `id: ${this.#idOf()}\n\n` : ':\n\n')
  }

  #offer(row: EntryRow): void {
    this.#figures.n++
    if (REFUSED_OUTCOMES.has(row.outcome)) this.#figures.refused++
    else if (row.status >= 500) this.#figures.errors++
    if (!this.#areFiguresDue) {
      this.#areFiguresDue = true
      systemClock.later(FIGURES_MS, () => this.#sendFigures())
    }
    if (this.#held === null) return this.#push(row)
    this.#held.push(row)
    this.#bound(this.#held)
  }

  #push(row: EntryRow): void {
    this.#queue.push(row)
    this.#bound(this.#queue)
  }

  #bound(rows: EntryRow[]): void {
    if (rows.length <= this.#bounds.maxQueued) return
    rows.shift()
    this.#leftOut++
  }

  #pump(): void {
    while (this.#stalledAtMs === null && !this.#out.destroyed) {
      if (this.#leftOut > 0) {
        const n = this.#leftOut
        this.#leftOut = 0
        this.#write(`event: left-out\ndata: {"n":${n}}\n\n`)
        continue
      }
      const row = this.#queue.shift()
      if (row === undefined) return
      this.#write(`event: entry\nid: ${this.#idOf()}\ndata: ${textOf(row, this.#view)}\n\n`)
    }
  }

  #sendFigures(): void {
    this.#areFiguresDue = false
    if (this.#out.destroyed) return
    if (this.#stalledAtMs !== null) {
      this.#areFiguresDue = true
      return void systemClock.later(FIGURES_MS, () => this.#sendFigures())
    }
    this.#write(`event: figures\ndata: ${JSON.stringify(this.#figures)}\n\n`)
    this.#figures = { n: 0, errors: 0, refused: 0 }
  }

  #write(text: string): void {
    if (this.#out.destroyed || this.#out.writableEnded) return
    if (!this.#out.write(text)) this.#stalledAtMs ??= systemClock.nowMs()
  }
}

function textOf(row: EntryRow, view: EntryView): string {
  const texts = TEXTS.get(view) ?? new WeakMap<EntryRow, string>()
  TEXTS.set(view, texts)
  const known = texts.get(row)
  if (known !== undefined) return known
  const text = safeJson(entryBody(row, view))
  texts.set(row, text)
  return text
}
