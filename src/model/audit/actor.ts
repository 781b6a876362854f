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

/** The settings of a session or transaction that tell the admin log's triggers who it is (migration 0081). */
export function actorSettings(
  actor: Actor,
): Record<'waybill.actor' | 'waybill.via' | 'waybill.source', string> {
  return {
    'waybill.actor': actor.name.slice(0, MAX_LENGTH),
    'waybill.via': actor.via,
    'waybill.source': actor.from.slice(0, MAX_LENGTH),
  }
}
