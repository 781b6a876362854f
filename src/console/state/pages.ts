import { type Signal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { messageOf } from '../api/client.ts'
import type { Page } from '../api/entries.ts'

/** A list that comes a page at a time. */
export interface Pages<T> {
  readonly items: readonly T[]
  /** Cursor of the page after those; null at the end. */
  readonly next: string | null
  readonly isLoading: boolean
  readonly error: string | null
}

/** Rows that the page keeps: more than anybody scrolls through, less than what makes a browser slow. */
const MAX_ROWS = 20_000

/** Asks for the first page whenever `key` changes, and for the next one by `more`. */
export function usePages<T>(
  key: string,
  load: (cursor: string | null, signal: AbortSignal) => Promise<Page<T>>,
): readonly [Signal<Pages<T>>, more: () => void] {
  const state = useSignal<Pages<T>>({ items: [], next: null, isLoading: true, error: null })
  const more = useRef(() => {})
  useEffect(() => {
    const ended = new AbortController()
    const ask = async (cursor: string | null): Promise<void> => {
      const before = state.peek()
      state.value = { ...before, isLoading: true, error: null }
      try {
        const page = await load(cursor, ended.signal)
        const items = cursor === null ? page.items : [...before.items, ...page.items]
        const next = items.length >= MAX_ROWS ? null : page.next
        state.value = { items, next, isLoading: false, error: null }
      } catch (error) {
        if (!ended.signal.aborted) state.value = { ...before, isLoading: false, error: messageOf(error) }
      }
    }
    more.current = () => {
      const { next, isLoading, error } = state.peek()
      if (next !== null && !isLoading && error === null) void ask(next)
    }
    void ask(null)
    return () => ended.abort()
  }, [key])
  return [state, () => more.current()]
}
