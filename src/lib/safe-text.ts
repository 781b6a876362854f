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
  return harmlessJson(JSON.stringify(value, undefined, indent))
}

/** The same JSON with every unsafe character escaped that JSON permits. */
export function harmlessJson(json: string): string {
  return json.replace(UNSAFE_IN_JSON, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
