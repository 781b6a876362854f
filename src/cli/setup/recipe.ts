import type { RouteKind } from '../../model/route.ts'

/** Where a client finds a route, and with which key. */
export interface ClientPlace {
  /** The route's name. */
  readonly route: string
  /** The route's address as clients reach it; ends in a slash. */
  readonly url: URL
  /** A key, or `KEY_PLACEHOLDER`. */
  readonly key: string
}

/** Stands where the key belongs when none was given. */
export const KEY_PLACEHOLDER = 'YOUR-KEY'

/** A file of a client's configuration. */
export interface RecipeFile {
  /** Absolute, or with `~/` for the home folder, or a bare name for the project's folder. */
  readonly path: string
  readonly content: string
  /** It holds the key: nobody else should read it (mode 0600). */
  readonly isSecret: boolean
}

/** All that makes a client use a route. */
export interface Recipe {
  readonly files: readonly RecipeFile[]
  /** Variables by name. */
  readonly environment: Readonly<Record<string, string>>
  /** Command lines for a POSIX shell: to be run once, before the client is used. */
  readonly commands: readonly string[]
  /** Command lines that show how the client is used afterwards. */
  readonly examples: readonly string[]
  /** What else to know, a sentence each. */
  readonly notes: readonly string[]
}

/** A client that `waybill setup` knows. */
export interface ClientRecipe {
  /** Kinds of route that it can use. */
  readonly kinds: readonly RouteKind[]
  /** Throws a `RecipeError` when the route's address cannot be used by this client. */
  recipeFor(place: ClientPlace): Recipe
}

/** The route's address cannot be used by the client; the message says why, and what to do. */
export class RecipeError extends Error {
  readonly code = 'WAYBILL_RECIPE'

  constructor(message: string) {
    super(message)
    this.name = 'RecipeError'
  }
}

/** A recipe, of the parts that it has. */
export function recipe(parts: Partial<Recipe>): Recipe {
  return { files: [], environment: {}, commands: [], examples: [], notes: [], ...parts }
}

/** A file that holds the key. */
export function secretFile(path: string, lines: readonly string[]): RecipeFile {
  return { path, content: `${lines.join('\n')}\n`, isSecret: true }
}

/** A file without secrets. */
export function plainFile(path: string, lines: readonly string[]): RecipeFile {
  return { path, content: `${lines.join('\n')}\n`, isSecret: false }
}

/** User name beside a key: any will do. */
export const USER = 'waybill'

/** The address with user name and key in it (RFC 3986 §3.2.1). */
export function withKey({ url, key }: ClientPlace, below = ''): string {
  const address = new URL(below, url)
  address.username = USER
  address.password = key
  return address.href
}

/** Whether the client and the gateway speak without TLS. */
export function isPlain({ url }: ClientPlace): boolean {
  return url.protocol === 'http:'
}

/** A line of a netrc file, which knows no ports. */
export function netrcLine({ url, key }: ClientPlace): string {
  return `machine ${url.hostname} login ${USER} password ${key}`
}

/** A text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./~-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
