/** Of fields that are kept, names and values together: larger ones are left to the one answer that bears them. */
const MAX_FIELD_BYTES = 16 * 1024

/** Of the connection or of the body's way here (RFC 9110 §7.6.1), made anew for each answer; or of the one client that got it. */
const NOT_KEPT = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'content-length',
  'age',
  // Said of each repetition here.
  'idempotent-replayed',
  // A session of whoever asked first.
  'set-cookie',
  // What was left of a limit then.
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
])

/**
 * Answers after which the same request, with the same key, may do better: nothing was done of it, by what they say (RFC 9110 §15.5, RFC
 * 6585 §4, RFC 8470 §5.2), or nobody knows (5xx). They are not kept.
 */
const MAY_DO_BETTER = new Set([401, 408, 409, 421, 423, 425, 429])

/** Whether an answer of this status is what each repetition gets. */
export function isKeptStatus(status: number): boolean {
  return status >= 200 && status < 500 && !MAY_DO_BETTER.has(status)
}

/** The fields of an answer that its repetitions have too; null when they are too many to keep. */
export function keptFields(fields: readonly string[]): string[] | null {
  const own = connectionFields(fields)
  const kept: string[] = []
  let bytes = 0
  for (let i = 0; i < fields.length; i += 2) {
    const [name = '', value = ''] = [fields[i], fields[i + 1]]
    const lower = name.toLowerCase()
    if (NOT_KEPT.has(lower) || lower.startsWith('x-ratelimit-') || own.includes(lower)) continue
    kept.push(name, value)
    bytes += name.length + value.length
  }
  return bytes > MAX_FIELD_BYTES ? null : kept
}

/** Whether an answer is read while it is written, and must not wait for its end (HTML Standard, 9.2.5). */
export function isStream(fields: readonly string[]): boolean {
  for (let i = 0; i < fields.length; i += 2)
    if (fields[i]?.toLowerCase() === 'content-type')
      return /^text\/event-stream\b/i.test(fields[i + 1]?.trim() ?? '')
  return false
}

function connectionFields(fields: readonly string[]): string[] {
  const names: string[] = []
  for (let i = 0; i < fields.length; i += 2)
    if (fields[i]?.toLowerCase() === 'connection')
      names.push(...(fields[i + 1] ?? '').split(',').map((name) => name.trim().toLowerCase()))
  return names
}
