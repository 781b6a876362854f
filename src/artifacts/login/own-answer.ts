/*
 * What of a kind's requests the gateway answers itself: said here, done by the proxy, which authenticates, waits for bodies, writes, and
 * records each as outcome `answered`.
 */

/** The requests of one kind that the gateway answers itself. */
export interface OwnAnswers {
  /**
   * Path below which all routes of the kind live, and at which the gateway answers for all of them, whether a route has that path or not.
   * Null: what is answered stands below each route.
   */
  readonly root: string | null
  /**
   * How a request is answered; null for what is the upstream's. `rest` is the path below the root, or the route, and starts with '/'. Never
   * throws; called for each request of the kind, so it tells the usual ones by their first characters.
   */
  answerTo(method: string, rest: string): OwnAnswer | null
}

/** How the gateway answers. */
export type OwnAnswer =
  /** Whoever asks, before anybody is authenticated. */
  | { readonly by: 'anybody'; readonly reply: OwnReply }
  /** Whoever presents a valid key. `onPublic`: where no key is asked for, answered all the same, or left to the upstream. */
  | {
      readonly by: 'key'
      readonly onPublic: 'answered' | 'upstream'
      reply(holder: KeyHolder): OwnReply
    }
  /** Whoever's body holds a valid key. Fields do not count: a client that logs in may send a key that it had before. */
  | {
      readonly by: 'body'
      readonly maxBytes: number
      /** The text that is presented as a key; null for none. Never throws. */
      keyIn(body: Buffer): string | null
      reply(holder: KeyHolder): OwnReply
    }
  /** Whoever logs in for a short-lived token: the proxy makes it. */
  | { readonly by: 'token'; readonly maxBytes: number }

/** One of the answers, complete. */
export interface OwnReply {
  readonly status: number
  /** Flat list: name, value, …; without those of framing. */
  readonly fields: readonly string[]
  readonly body: string
}

/** Who is answered. */
export interface KeyHolder {
  /** Slug; '' for nobody, on a public route. */
  readonly tenant: string
  /** What was presented. A secret, for answers to the one who presented it. */
  readonly text: string
}

/** An answer in JSON that no cache keeps. */
export function jsonReply(status: number, value: unknown, fields: readonly string[] = []): OwnReply {
  const all = ['Content-Type', 'application/json', 'Cache-Control', 'no-store', ...fields]
  return { status, fields: all, body: JSON.stringify(value) }
}
