/*
 * Keeps secrets out of the log. Two nets: values under a telling name are dropped whole, and every text (message, value,
 * field name, stack) is searched for what looks like a secret. The second is needed because drivers and clients put
 * their own texts into errors.
 */

const CENSORED = '***'
/** Longer texts are cut: one log line stays readable and bounded, however long the text of a client. */
const TEXT_MAX = 8192
const DEPTH_MAX = 6
const ITEMS_MAX = 100
/** Shorter literals would censor half of every line. */
const LITERAL_MIN = 8
/** Of secrets that change, as tokens do every hour, so many of the last are known: each costs every line a search. */
const MAX_LITERALS = 512

/** Field names, lower case and without `-`, `_`, `.`, whose value is a secret whatever it looks like. */
const SECRET_NAME =
  /(?:authorization|apikey|password|passwd|pwd|passphrase|secret|token|credentials|cookie|privatekey|keydigest)s?$/

const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  // A gateway key: its public id stays, so that the log still says which key it was.
  [/wb_([0-9a-z]{1,12})_[0-9A-Za-z]+/g, `wb_$1_${CENSORED}`],
  // RFC 3986 §3.2.1 userinfo, up to the last @ before the path: postgres://user:p@ss@host → postgres://***@host.
  [/:\/\/[^\s/?#]*@/g, `://${CENSORED}@`],
  // RFC 9110 §11.4 credentials. 16 and more, so that "Basic authentication" stays readable.
  [/\b(Bearer|Basic)\s+[\w+/.~=-]{16,}/gi, `$1 ${CENSORED}`],
  // libpq connection strings, query strings, header dumps: name=value, name: value, value in quotes or not.
  [
    /\b([\w-]*(?:password|passwd|api[-_]?key|secret|token|authorization))(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s&,;"']+)/gi,
    `$1$2${CENSORED}`,
  ],
]

/** Censors what is secret; keeps the last of what it was told of. */
export class Redaction {
  /** Whether errors that have a code keep their stack: it is for finding bugs, and those are none. */
  hasAllStacks = false
  /** The last that it was told of, oldest first. */
  readonly #told = new Set<string>()
  #literals: readonly string[] = []

  /**
   * Censors this very text wherever it appears from now on, as it is and percent-encoded: for a database password or an
   * upstream's token, which no pattern recognises. Texts under 8 characters are not taken.
   */
  addSecret(text: string): void {
    if (text.length < LITERAL_MIN) return
    this.#told.delete(text)
    this.#told.add(text)
    for (const oldest of this.#told) {
      if (this.#told.size <= MAX_LITERALS) break
      this.#told.delete(oldest)
    }
    const forms = [...this.#told].flatMap((told) => [told, encodeURIComponent(Buffer.from(told).toString())])
    // The longest first: one secret may contain another.
    this.#literals = [...new Set(forms)].toSorted((one, other) => other.length - one.length)
  }

  /** The text without secrets, at most 8 KiB of it. */
  cleanText(text: string): string {
    let clean = text
    for (const literal of this.#literals) clean = clean.replaceAll(literal, CENSORED)
    for (const [pattern, replacement] of SECRET_TEXTS) clean = clean.replace(pattern, replacement)
    return clean.length <= TEXT_MAX ? clean : `${clean.slice(0, TEXT_MAX)}…+${clean.length - TEXT_MAX}`
  }

  /** The fields as plain data that JSON can hold, without secrets; never throws. */
  cleanFields(fields: object): Record<string, unknown> {
    const clean = this.#clean(fields instanceof Error ? { err: fields } : fields, 0, new Set())
    return typeof clean === 'object' && clean !== null && !Array.isArray(clean)
      ? (clean as Record<string, unknown>)
      : { value: clean }
  }

  #clean(value: unknown, depth: number, path: Set<object>): unknown {
    switch (typeof value) {
      case 'string':
        return this.cleanText(value)
      case 'bigint':
        return value.toString()
      case 'number':
        return Number.isFinite(value) ? value : String(value)
      case 'boolean':
        return value
      case 'object':
        return value === null ? null : this.#cleanObject(value, depth, path)
      case 'undefined':
      case 'function':
      case 'symbol':
        return undefined
    }
  }

  #cleanObject(value: object, depth: number, path: Set<object>): unknown {
    if (path.has(value)) return '[circular]'
    if (depth >= DEPTH_MAX) return '[too deep]'
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
    path.add(value)
    try {
      if (value instanceof Error) return this.#cleanError(value, depth, path)
      if (Array.isArray(value) || value instanceof Set)
        return [...value].slice(0, ITEMS_MAX).map((item) => this.#clean(item, depth + 1, path))
      if (value instanceof Map)
        return this.#cleanEntries(
          [...value].map(([k, v]) => [String(k), v]),
          depth,
          path,
        )
      if ('toJSON' in value && typeof value.toJSON === 'function')
        return this.#clean(value.toJSON(), depth + 1, path)
      return this.#cleanEntries(Object.entries(value), depth, path)
    } catch {
      return '[unreadable]' // a getter or toJSON that throws must not take the process down from a log line
    } finally {
      path.delete(value)
    }
  }

  #cleanError(error: Error, depth: number, path: Set<object>): unknown {
    const { name, message, cause } = error
    const { code } = error as { code?: unknown }
    // Node's own ERR_… are mistakes of a program.
    const isExpected = typeof code === 'string' && !code.startsWith('ERR_')
    const stack = isExpected && !this.hasAllStacks ? undefined : error.stack
    // Own fields of driver errors (code, where, …) help; `errors` of an AggregateError is not enumerable.
    const fields: [string, unknown][] = [
      ['type', name],
      ['message', message],
      ['stack', stack],
      ['cause', cause],
      ...Object.entries(error),
    ]
    if (error instanceof AggregateError) fields.push(['errors', error.errors])
    return this.#cleanEntries(fields, depth, path)
  }

  #cleanEntries(entries: readonly (readonly [string, unknown])[], depth: number, path: Set<object>): object {
    const clean: Record<string, unknown> = {}
    for (const [name, value] of entries.slice(0, ITEMS_MAX)) {
      const isSecret = SECRET_NAME.test(name.toLowerCase().replace(/[-_.]/g, ''))
      // Flags and absent values under such a name (`hasToken: false`) are no secrets.
      const isHarmless = value === undefined || value === null || typeof value === 'boolean'
      const kept = isSecret && !isHarmless ? CENSORED : this.#clean(value, depth + 1, path)
      if (kept !== undefined) Object.defineProperty(clean, this.cleanText(name), fieldOf(kept))
    }
    return clean
  }
}

/** As a data property, so that a field named `__proto__` is a field and nothing else. */
function fieldOf(value: unknown): PropertyDescriptor {
  return { value, enumerable: true, configurable: true, writable: true }
}
