import { isIP } from 'node:net'
import { DURATION_FORM, parseDurationMs } from '../model/duration.ts'
import { didYouMean } from '../lib/near-name.ts'
import { isEmbedded, parseDatabaseUrl } from '../model/database-target.ts'
import { networkProblem } from '../model/network.ts'
import type { TlsFiles } from './tls-files.ts'

/** One option: what it is, and how its value is read. */
export interface Row<T> {
  readonly default: T
  /** One line for `--help`, the documents and `config show`. */
  readonly help: string
  /** Unit of a number, where its name does not end in it. */
  readonly isSecret?: boolean
  /** What of a secret may be shown; nothing without it. */
  show?(value: T): unknown
  /** Of a secret what must not be seen anywhere; the value itself, a text, without it. */
  secrets?(value: T): readonly string[]
  /**
   * What a change waits for: a reload, or a restart of the gateway. Without it new workers are enough; a gateway of one process has
   * none, and is restarted.
   */
  readonly actsOn?: 'reload' | 'restart'
  /** Environment variable, where it is not derived from the key. */
  readonly env?: string
  /** Allowed values, in words. */
  readonly form: string
  /** Reads a value from YAML, environment or flag; throws a RangeError that says what is allowed. */
  readonly read: (value: unknown) => T
}

type Extra = { isSecret?: boolean; actsOn?: 'reload' | 'restart'; env?: string }

/** An option of any form. `parse` returns null for what it cannot be. */
export function row<T>(
  def: T,
  form: string,
  help: string,
  parse: (v: unknown) => T | null,
  { choices, ...extra }: Extra & { choices?: readonly string[] } & Pick<Row<T>, 'show' | 'secrets'>,
): Row<T> {
  const read = (value: unknown): T => {
    const parsed = parse(value)
    if (parsed !== null) return parsed
    const hint = typeof value === 'string' ? didYouMean(value, choices ?? []) : ''
    throw new RangeError(`must be ${form}${hint}`)
  }
  return { default: def, form, help, read, ...extra }
}

export function integer(def: number, min: number, max: number, help: string, extra: Extra = {}): Row<number> {
  const parse = (v: unknown): number | null => {
    const n = typeof v === 'string' && /^-?\d{1,15}$/.test(v) ? Number(v) : v
    return typeof n === 'number' && Number.isSafeInteger(n) && n >= min && n <= max ? n : null
  }
  return row(def, `a whole number from ${min} to ${max}`, help, parse, extra)
}

export function milliseconds(
  def: number,
  min: number,
  max: number,
  help: string,
  extra: Extra = {},
): Row<number> {
  const parse = (v: unknown): number | null => {
    const n = typeof v === 'string' ? (/^-?\d{1,15}$/.test(v) ? Number(v) : parseDurationMs(v)) : v
    return typeof n === 'number' && Number.isSafeInteger(n) && n >= min && n <= max ? n : null
  }
  return row(def, `milliseconds from ${min} to ${max}, or ${DURATION_FORM}`, help, parse, extra)
}

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** Parses `1048576`, `64KiB`, `8MiB`, `5GiB` into bytes; null when it is none of these. */
export function parseBytes(value: unknown): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : null
  const match = /^(\d{1,15})(KiB|MiB|GiB|)$/.exec(typeof value === 'string' ? value : '')
  return match === null ? null : Number(match[1]) * (BYTE_UNITS[match[2] ?? ''] ?? 1)
}

export function bytes(def: number, min: number, max: number, help: string, extra: Extra = {}): Row<number> {
  const parse = (v: unknown): number | null => {
    const n = parseBytes(v)
    return n !== null && n >= min && n <= max ? n : null
  }
  return row(def, `bytes from ${min} to ${max}, or such as 64KiB, 8MiB, 5GiB`, help, parse, extra)
}

export function text(
  def: string,
  form: string,
  help: string,
  test: (v: string) => boolean,
  extra: Extra & Pick<Row<string>, 'secrets'> = {},
) {
  return row(def, form, help, (v) => (typeof v === 'string' && test(v) ? v : null), extra)
}

export function choice<const T extends string>(
  def: T,
  of: readonly T[],
  help: string,
  extra: Extra = {},
): Row<T> {
  return row(def, `one of ${of.join(', ')}`, help, (v) => of.find((o) => o === v) ?? null, {
    ...extra,
    choices: of,
  })
}

export function onOff(def: boolean, help: string, extra: Extra = {}): Row<boolean> {
  const parse = (v: unknown): boolean | null =>
    v === true || v === 'true' ? true : v === false || v === 'false' ? false : null
  return row(def, 'true or false', help, parse, extra)
}

export function networks(help: string, extra: Extra = {}): Row<readonly string[]> {
  const parse = (v: unknown): readonly string[] | null => {
    const list: unknown = typeof v === 'string' ? v.split(',').filter((s) => s !== '') : v
    if (!Array.isArray(list)) return null
    return list.every((n) => typeof n === 'string' && networkProblem(n) === null) ? (list as string[]) : null
  }
  return row<readonly string[]>([], 'a list of networks such as 10.0.0.0/8', help, parse, extra)
}

/** Names with a text each: a mapping, or JSON of one in a text. */
export function mapping(
  form: string,
  help: string,
  test: (value: string) => boolean,
  extra: Extra = {},
): Row<Readonly<Record<string, string>>> {
  const parse = (v: unknown): Readonly<Record<string, string>> | null => {
    const tree = typeof v === 'string' ? jsonOf(v) : v
    if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) return null
    const pairs = Object.entries(tree)
    return pairs.every(([, value]) => typeof value === 'string' && test(value))
      ? (tree as Record<string, string>)
      : null
  }
  return row<Readonly<Record<string, string>>>({}, form, help, parse, extra)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** One pair of files or several: `{ cert, key }`, a list of them, or `cert,key;cert,key` in a text. */
export function tlsFiles(help: string, extra: Extra = {}): Row<readonly TlsFiles[]> {
  const readOne = (v: unknown): TlsFiles | null => {
    if (typeof v === 'string') {
      const [cert = '', key = '', ...more] = v.split(',')
      return cert === '' || key === '' || more.length > 0 ? null : { cert, key }
    }
    if (typeof v !== 'object' || v === null) return null
    const { cert, key, ...more } = v as Record<string, unknown>
    const isPair = typeof cert === 'string' && typeof key === 'string' && cert !== '' && key !== ''
    return isPair && Object.keys(more).length === 0 ? { cert, key } : null
  }
  const parse = (v: unknown): readonly TlsFiles[] | null => {
    if (v === null || v === '') return []
    const list: unknown[] = Array.isArray(v) ? v : typeof v === 'string' ? v.split(';') : [v]
    const pairs = list.map(readOne)
    return pairs.every((pair) => pair !== null) ? pairs : null
  }
  return row<readonly TlsFiles[]>([], '{ cert: file, key: file } or a list of these', help, parse, extra)
}

/** An address or a host name. */
export const isHost = (v: string): boolean => isIP(v) !== 0 || /^[a-zA-Z0-9.-]{1,253}$/.test(v)
/** Empty, or an http(s) origin, with or without a path of plain segments. */
export const isPublicUrl = (v: string): boolean =>
  v === '' ||
  (/^https?:\/\/[^/?#@\s\\]+(?:\/[A-Za-z0-9._~@-]+)*\/?$/.test(v) &&
    !/\/\.{1,2}(?:\/|$)/.test(v) &&
    URL.canParse(v))
/** Throws a RangeError that names what is wrong with it. */
export function isPostgresUrl(v: string): boolean {
  return v === '' || parseDatabaseUrl(v).port > 0
}

export function isDatabase(v: string): boolean {
  return isEmbedded(v) || isPostgresUrl(v)
}

/** An absolute URL of http or https, without user and password: secrets have options of their own. */
export function isHttpUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
}
