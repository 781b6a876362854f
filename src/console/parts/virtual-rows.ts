import { useSignal } from '@preact/signals'
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core'
import type { RefObject } from 'preact'
import { useLayoutEffect, useMemo } from 'preact/hooks'

/** Rows beyond the window, so that a fast scroll does not show nothing. */
const OVERSCAN = 12

/** Which rows of many are to be drawn, and how high the place of the others is. */
export interface VirtualRows {
  readonly first: number
  /** Exclusive. */
  readonly end: number
  readonly above: number
  readonly below: number
  scrollTo(index: number): void
}

/** Rows of one height within an element that scrolls. */
export function useVirtualRows(
  scroller: RefObject<HTMLElement | null>,
  rows: { readonly count: number; readonly height: number },
): VirtualRows {
  const drawn = useSignal(0)
  const options = {
    count: rows.count,
    getScrollElement: () => scroller.current,
    estimateSize: () => rows.height,
    overscan: OVERSCAN,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => void drawn.value++,
  }
  const virtualizer = useMemo(() => new Virtualizer<HTMLElement, Element>(options), [])
  virtualizer.setOptions(options)
  useLayoutEffect(() => virtualizer._didMount(), [])
  useLayoutEffect(() => virtualizer._willUpdate())
  void drawn.value
  const items = virtualizer.getVirtualItems()
  const first = items[0]
  const last = items.at(-1)
  return {
    first: first?.index ?? 0,
    end: last === undefined ? Math.min(rows.count, OVERSCAN) : last.index + 1,
    above: first?.start ?? 0,
    below: Math.max(0, virtualizer.getTotalSize() - (last?.end ?? rows.count * rows.height)),
    scrollTo: (index) => virtualizer.scrollToIndex(index),
  }
}
