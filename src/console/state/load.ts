import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { messageOf } from '../api/client.ts'
import { repeat } from './clock.ts'

/** What is known of an answer. The last value stays while the next is under way, and when that fails. */
export interface Loaded<T> {
  readonly value: T | null
  /** Why the last attempt failed; null when it did not. */
  readonly error: string | null
  /** True until the first answer to the current question. */
  readonly isLoading: boolean
}

const POLL_NEVER = 2 ** 31 - 1

/** Asks again when `key` changes, and every `pollMs` if given. A `key` of null asks nothing. */
export function useLoaded<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  pollMs = POLL_NEVER,
): Signal<Loaded<T>> {
  const state = useSignal<Loaded<T>>({ value: null, error: null, isLoading: true })
  useEffect(() => {
    if (key === null) return
    state.value = { ...state.peek(), isLoading: true }
    return repeat(pollMs, async (signal) => {
      try {
        const value = await load(signal)
        if (!signal.aborted) state.value = { value, error: null, isLoading: false }
      } catch (error) {
        if (!signal.aborted) state.value = { ...state.peek(), error: messageOf(error), isLoading: false }
      }
    })
  }, [key, pollMs])
  return state
}
