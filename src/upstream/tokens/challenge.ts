/** What an upstream asks for: a token of `realm`, for `service`, that grants `scope` (Distribution, "Token Authentication"). */
export interface Challenge {
  /** Absolute URL of the token server, as the upstream wrote it. */
  readonly realm: string
  /** '' where the upstream names none. */
  readonly service: string
  /** Scopes with one space between; '' for none. */
  readonly scope: string
}

/** All challenges of an answer: those of large registries have some 300 bytes, and a push that mounts names two scopes. */
const MAX_CHARS = 8192
const MAX_PARAMETER = 4096
/** Fields of an answer, and challenges in one of them. */
const MAX_CHALLENGES = 16

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*[ \t]*(?=,|$)/y
const PARAMETER =
  /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+\-.^_`|~0-9A-Za-z]+))/y
const BLANKS = /[ \t]*/y
const SPACES = / +/y
const LIST_GAP = /[ \t]*(?:,[ \t]*)+/y

/**
 * The first Bearer challenge with a realm in the WWW-Authenticate fields of an answer (RFC 9110 §11.6.1); null for none. A field that is
 * not written as the grammar has it counts for nothing from there on: no part of it is guessed at.
 */
export function bearerChallenge(fields: readonly string[]): Challenge | null {
  let chars = 0
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() !== 'www-authenticate') continue
    const value = fields[i + 1] ?? ''
    chars += value.length
    if (chars > MAX_CHARS) return null
    const found = firstBearer(value)
    if (found !== null) return found
  }
  return null
}

function firstBearer(text: string): Challenge | null {
  const reader = new Reader(text)
  reader.skip(LIST_GAP)
  reader.skip(BLANKS)
  for (let count = 0; count < MAX_CHALLENGES && !reader.isAtEnd; count++) {
    const scheme = reader.take(TOKEN)
    if (scheme === null) return null
    const parameters =
      reader.isAt(LIST_GAP) || reader.isAtEnd ? new Map<string, string>() : readParameters(reader)
    if (parameters === null) return null
    reader.skip(BLANKS)
    if (!reader.isAtEnd && !reader.skip(LIST_GAP)) return null
    const challenge = scheme[0].toLowerCase() === 'bearer' ? challengeOf(parameters) : null
    if (challenge !== null) return challenge
  }
  return null
}

/** Those of one challenge; the reader stands behind them, or behind its token68. Null where the grammar is broken. */
function readParameters(reader: Reader): Map<string, string> | null {
  const parameters = new Map<string, string>()
  if (!reader.skip(SPACES)) return null
  if (reader.skip(TOKEN68)) return parameters
  for (;;) {
    const [whole, name = '', quoted, plain = ''] = reader.take(PARAMETER) ?? []
    if (whole === undefined) return null
    const lower = name.toLowerCase()
    // RFC 9110 §11.2: once each.
    if (parameters.has(lower)) return null
    parameters.set(lower, quoted === undefined ? plain : quoted.replaceAll(/\\(.)/g, '$1'))
    const before = reader.at
    if (!reader.skip(LIST_GAP)) return parameters
    if (!reader.isAt(PARAMETER)) {
      reader.at = before
      return parameters
    }
  }
}

function challengeOf(parameters: ReadonlyMap<string, string>): Challenge | null {
  const realm = parameters.get('realm') ?? ''
  const service = parameters.get('service') ?? ''
  const scope = (parameters.get('scope') ?? '').split(' ').filter(Boolean).join(' ')
  const isSound = [realm, service, scope].every((value) => value.length <= MAX_PARAMETER && isPlain(value))
  return realm !== '' && isSound ? { realm, service, scope } : null
}

function isPlain(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text)
}

/** A place in a text; every pattern is sticky. */
class Reader {
  at = 0
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  get isAtEnd(): boolean {
    return this.at >= this.#text.length
  }

  isAt(pattern: RegExp): boolean {
    pattern.lastIndex = this.at
    return pattern.test(this.#text)
  }

  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.#text)
    if (found !== null) this.at += found[0].length
    return found
  }

  skip(pattern: RegExp): boolean {
    return this.take(pattern) !== null
  }
}
