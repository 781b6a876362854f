import { createHash } from 'node:crypto'

/** Who changes something, for the admin log. */
export interface Actor {
  /** A person, a token's name, or a program that works by itself. */
  readonly name: string
  /**
   * By which way: the admin API with a token, or by a person who signed in to it with OpenID Connect; a command; or work that nobody
   * asked for at that moment. Else it was SQL.
   */
  readonly via: 'api' | 'oidc' | 'cli' | 'job'
  /** An address or a host. */
  readonly from: string
}

/** Longest of each that the log has (migration 0081 cuts them as well). */
const MAX_LENGTH = 200

/** So much of a name is kept beside the longest account: people tell each other by it. */
const MIN_NAME = 20
/** Hexadecimal digits of the digest that stands for the rest of an account: 128 bits, which nobody finds twice. */
const DIGEST_LENGTH = 32

/**
 * The name of an actor with its account, as `Ann (subject 24400320)`: cut in the name where both are too long, so that no account is lost
 * or looks like another one. An account that leaves no name is shortened with a digest of it.
 */
export function actorName(
  name: string,
  account: { readonly kind: 'subject' | 'token'; readonly id: string },
): string {
  const { kind, id } = account
  const most = MAX_LENGTH - MIN_NAME - ` (${kind} )`.length
  const behind = ` (${kind} ${id.length <= most ? id : digested(id, most)})`
  return cut(name, MAX_LENGTH - behind.length) + behind
}

function digested(text: string, length: number): string {
  const digest = createHash('sha256').update(text).digest('hex').slice(0, DIGEST_LENGTH)
  return `${cut(text, length - DIGEST_LENGTH - 1)}…${digest}`
}

/** The beginning of a text, without half a character at its end. */
function cut(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length).replace(/[\ud800-\udbff]$/, '')
}

/** The settings of a session or transaction that tell the admin log's triggers who it is (migration 0081). */
export function actorSettings(
  actor: Actor,
): Record<'waybill.actor' | 'waybill.via' | 'waybill.source', string> {
  return {
    'waybill.actor': cut(actor.name, MAX_LENGTH),
    'waybill.via': actor.via,
    'waybill.source': cut(actor.from, MAX_LENGTH),
  }
}
