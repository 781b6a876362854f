import { FORM_NAMES } from './entry-columns.ts'

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', b: '\b', f: '\f', v: '\v' }

/** The fields of one row of COPY text, without its newline; null for `\N`. The inverse of the encoding. */
export function decodeRow(row: string): (string | null)[] {
  return row.split('\t').map((field) => {
    if (field === '\\N') return null
    return field.replaceAll(/\\(.)/gs, (_, c: string) => ESCAPES[c] ?? c)
  })
}

/**
 * The values of one row of COPY text (PostgreSQL manual, COPY, "Text Format"), its newline left out or not, by column of
 * `access_log`; null for `\N`. A row of an older form lacks some of them. Null altogether when it is not such a row: other bytes
 * than UTF-8, or another number of fields.
 */
export function readCopyRow(row: Uint8Array): ReadonlyMap<string, string | null> | null {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(row)
  } catch {
    return null
  }
  const fields = decodeRow(text.endsWith('\n') ? text.slice(0, -1) : text)
  const names = FORM_NAMES.find(({ length }) => length === fields.length)
  return names === undefined ? null : new Map(names.map((name, i) => [name, fields[i] ?? null]))
}
