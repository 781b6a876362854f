import { type Signal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { messageOf } from '../../api/client.ts'
import { type Entry, getEntries } from '../../api/entries.ts'
import type { Search } from './search.ts'

export interface EntriesState {
  readonly entries: readonly Entry[]
  /** Cursor of the page after those; null at the end. */
  readonly next: string | null
  readonly isLoading: boolean
  readonly error: string | null
}

/** Rows that the page keeps: more than anybody scrolls through, less than what makes a browser slow. */
const MAX_ROWS = 20_000

/** The requests of a search, a page at a time. */
export function useEntries(search: Search): readonly [Signal<EntriesState>, more: () => void] {
  const state = useSignal<EntriesState>({ entries: [], next: null, isLoading: true, error: null })
  const more = useRef(() => {})
  useEffect(() => {
    const ended = new AbortController()
    const load = async (cursor: string | null): Promise<void> => {
      const before = state.peek()
      state.value = { ...before, isLoading: true, error: null }
      try {
        const page = await getEntries(search.filter, search.range, { cursor, signal: ended.signal })
        const entries = cursor === null ? page.items : [...before.entries, ...page.items]
        const next = entries.length >= MAX_ROWS ? null : page.next
        state.value = { entries, next, isLoading: false, error: null }
      } catch (error) {
        if (!ended.signal.aborted) state.value = { ...before, isLoading: false, error: messageOf(error) }
      }
    }
    more.current = () => {
      const { next, isLoading, error } = state.peek()
      if (next !== null && !isLoading && error === null) void load(next)
    }
    void load(null)
    return () => ended.abort()
  }, [search.key])
  return [state, () => more.current()]
}
