import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { messageOf } from '../../api/client.ts'
import { type Entry, getEntries } from '../../api/entries.ts'
import { repeat } from '../../state/clock.ts'
import type { Filter } from '../../words/filter.ts'

const POLL_MS = 1000
/** Entries of one look; more than these in a second are left out, and counted where that is known. */
const LOOK_ROWS = 200
/** Rows on the page. */
const MAX_ROWS = 500
/** How long before the newest that was seen a look begins: entries of slow requests come after quicker ones. */
const OVERLAP_MS = 15_000
/** What the first look shows of before. */
const BEFORE_MS = 600_000

export interface Tail {
  readonly entries: readonly Entry[]
  /** New ones that are not shown while it is paused. */
  readonly waiting: number
  /** New ones that are not shown at all. */
  readonly leftOut: number
  readonly error: string | null
}

const NOTHING: Tail = { entries: [], waiting: 0, leftOut: 0, error: null }

/** The newest entries of a filter, as they are stored. */
export function useTail(key: string, filter: Filter, isPaused: boolean): Tail {
  const state = useSignal<Tail>(NOTHING)
  const held = useRef<readonly Entry[]>([])
  const paused = useRef(isPaused)
  paused.current = isPaused
  const show = (): void => {
    const all = [...held.current, ...state.peek().entries]
    const leftOut = state.peek().leftOut + Math.max(0, held.current.length - MAX_ROWS)
    held.current = []
    state.value = { entries: all.slice(0, MAX_ROWS), waiting: 0, leftOut, error: null }
  }
  useEffect(() => {
    if (!isPaused && held.current.length > 0) show()
  }, [isPaused])
  useEffect(() => {
    state.value = NOTHING
    held.current = []
    const seen = new SeenIds()
    let sinceMs = Date.now() - BEFORE_MS
    return repeat(POLL_MS, async (signal) => {
      try {
        const range = { since: new Date(sinceMs).toISOString(), until: '' }
        const { items } = await getEntries(filter, range, { cursor: null, signal, limit: LOOK_ROWS })
        const fresh = items.filter(({ id }) => seen.add(id))
        const newest = items[0]
        if (newest !== undefined) sinceMs = Math.max(sinceMs, Date.parse(newest.started_at) - OVERLAP_MS)
        held.current = [...fresh, ...held.current].slice(0, MAX_ROWS * 2)
        if (!paused.current) show()
        else state.value = { ...state.peek(), waiting: held.current.length, error: null }
      } catch (error) {
        if (!signal.aborted) state.value = { ...state.peek(), error: messageOf(error) }
      }
    })
  }, [key])
  return state.value
}

/** Remembers the newest ids. */
class SeenIds {
  readonly #ids = new Set<string>()

  /** Whether it was not there yet. */
  add(id: string): boolean {
    if (this.#ids.has(id)) return false
    this.#ids.add(id)
    if (this.#ids.size > MAX_ROWS * 10) {
      for (const old of this.#ids) {
        this.#ids.delete(old)
        if (this.#ids.size <= MAX_ROWS * 5) break
      }
    }
    return true
  }
}
