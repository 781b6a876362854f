import { type Signal, useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import type { Loaded } from '../state/load.ts'

/** Called once a part has its content, or says why not. */
export type OnSettled = (() => void) | undefined

/** Parts below each other, each drawn once the one before it is settled: what is on the page does not move. */
export function InTurn({
  parts,
}: {
  readonly parts: readonly ((onSettled: () => void) => ComponentChildren)[]
}) {
  const shown = useSignal(1)
  return (
    <>
      {parts.slice(0, shown.value).map((part, i) =>
        part(() => {
          shown.value = Math.max(shown.peek(), i + 2)
        }),
      )}
    </>
  )
}

/** Tells that a part is settled, when its first answer has come. */
export function useSettled<T>(loaded: Signal<Loaded<T>>, onSettled: OnSettled): void {
  const { isLoading } = loaded.value
  useEffect(() => {
    if (!isLoading) onSettled?.()
  }, [isLoading])
}
