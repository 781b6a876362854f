import { hostName } from '../routing/target.ts'
import type { Exchange } from './exchange.ts'

/** The gateway as a client reaches it. */
export interface PublicAddress {
  /** With port where it has one. */
  readonly host: string
  /** Scheme and host; null when only the client said so: who names a host could send others there with their credentials. */
  readonly base: string | null
}

/**
 * The address for answers that send a client somewhere: `publicUrl`, or, where a route of that kind is bound to the host that was asked
 * for, that host with the scheme and port of `publicUrl`.
 */
export function publicAddress({ client, head, target, own, route, routes }: Exchange): PublicAddress {
  const asked = hostName(target?.authority ?? head.host ?? '') ?? ''
  const kind = own?.kind ?? route?.kind
  const isBound = kind !== undefined && routes?.own.isBound(kind, asked) === true
  const host = isBound ? asked + (/:\d+$/.exec(client.host)?.[0] ?? '') : client.host
  return { host, base: client.isOwnAddress && host !== '' ? `${client.proto}://${host}${client.base}` : null }
}
