import { stringify } from 'csv-stringify/sync'
import { escapeUnsafe } from './safe-text.ts'

/**
 * RFC 4180 with plain newlines. Most CSV ends in a spreadsheet, where a cell that starts with `=`, `+`, `-` or `@` is a
 * formula, and paths and user agents come from strangers: such a cell gets a `'` before it (OWASP "CSV injection").
 * Control characters are escaped as in tables. For the exact bytes there is ndjson, which loses nothing.
 */
export function csvText(records: readonly (readonly unknown[])[]): string {
  // `escape_formulas` leaves negative numbers alone, it only marks texts.
  return stringify(
    records.map((record) => record.map(csvCell)),
    { escape_formulas: true, record_delimiter: 'unix' },
  )
}

function csvCell(value: unknown): string | number {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return value
  if (value instanceof Date) return value.toISOString()
  return escapeUnsafe(typeof value === 'string' ? value : JSON.stringify(value))
}
