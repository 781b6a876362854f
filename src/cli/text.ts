/**
 * C0, DEL, C1, the line separators and the characters that reorder text (Unicode UAX #9 §2): on a terminal they could
 * forge lines, hide text or send commands (CWE-117, CWE-150). Values of the access log come from strangers.
 */
// oxlint-disable-next-line no-control-regex -- matching control characters is the purpose
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const UNSAFE_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** The text with every unsafe character written as `\x1b` or `\u202e`; printable text is unchanged. */
export function escapeUnsafe(text: string): string {
  return text.replace(UNSAFE, (c) => {
    const hex = c.charCodeAt(0).toString(16)
    return hex.length <= 2 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`
  })
}

/** JSON in which every unsafe character is escaped: still the same value (RFC 8259 §7), and harmless on a terminal. */
export function safeJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, undefined, indent)
  return json.replace(UNSAFE_IN_JSON, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

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
