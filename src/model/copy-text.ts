/** Columns of `access_log` in the order of a row of COPY text, with their types. */
export const ENTRY_COLUMNS = [
  ['id', 'uuid'],
  ['started_at', 'timestamptz'],
  ['tenant', 'text'],
  ['key_id', 'text'],
  ['route', 'text'],
  ['kind', 'text'],
  ['method', 'text'],
  ['host', 'text'],
  ['path', 'text'],
  ['status', 'smallint'],
  ['outcome', 'text'],
  ['reason', 'text'],
  ['bytes_received', 'bigint'],
  ['bytes_sent', 'bigint'],
  ['duration_us', 'bigint'],
  ['upstream_us', 'bigint'],
  ['upstream', 'text'],
  ['client_ip', 'inet'],
  ['user_agent', 'text'],
  ['request_id', 'text'],
  ['trace_id', 'text'],
  ['ecosystem', 'text'],
  ['package', 'text'],
  ['version', 'text'],
  ['instance', 'uuid'],
  ['seq', 'bigint'],
] as const

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', b: '\b', f: '\f', v: '\v' }

/**
 * The values of one row of COPY text (PostgreSQL manual, COPY, "Text Format"), its newline left out or not, by column of
 * `access_log`; null for `\N`. Null altogether when it is not such a row: other bytes than UTF-8, or another number of fields.
 */
export function readCopyRow(row: Uint8Array): ReadonlyMap<string, string | null> | null {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(row)
  } catch {
    return null
  }
  const fields = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\t')
  if (fields.length !== ENTRY_COLUMNS.length) return null
  return new Map(ENTRY_COLUMNS.map(([name], i) => [name, value(fields[i] ?? '')]))
}

function value(field: string): string | null {
  if (field === '\\N') return null
  return field.replaceAll(/\\(.)/gs, (_, c: string) => ESCAPES[c] ?? c)
}
