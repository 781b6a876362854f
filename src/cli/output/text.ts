export { escapeUnsafe, safeJson } from '../../lib/safe-text.ts'

const ZERO_WIDTH = /^(?:\p{Mn}|\p{Me}|[\u200b\u200c]|\u200d)$/u
// The blocks that terminals draw two cells wide (Unicode UAX #11, the common part of "W" and "F").
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u

/** Cells that the text takes on a terminal. */
export function cellWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const c of text) width += ZERO_WIDTH.test(c) ? 0 : WIDE.test(c) ? 2 : 1
  return width
}

/** The text cut to `width` cells, ending in `…` where something was cut off. */
export function cutToWidth(text: string, width: number): string {
  if (cellWidth(text) <= width) return text
  let cut = ''
  let used = 0
  for (const c of text) {
    const next = cellWidth(c)
    if (used + next > width - 1) break
    cut += c
    used += next
  }
  return `${cut}…`
}
