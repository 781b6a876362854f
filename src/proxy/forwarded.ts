import type { BlockList } from 'node:net'
import { isInNetworks, plainAddress } from '../model/network.ts'
import { isIP } from 'node:net'
import type { RequestHead } from './request-head.ts'
import { hostName } from './target.ts'

/** Who the client is and how it reached the gateway, as far as the gateway believes it. */
export interface ClientView {
  /** Plain address of the client: the peer, or what a trusted proxy says. */
  readonly ip: string
  readonly proto: string
  /** Host that the client asked for, with port. */
  readonly host: string
  /** Value for X-Forwarded-For: the believed chain, ending in the peer. */
  readonly forwardedFor: string
}

/** What the gateway believes of forwarding fields; replaced on reload. */
export interface TrustPolicy {
  /** Peers that are believed, or null for nobody. */
  readonly trustedProxies: BlockList | null
  /** Scheme and host of the public URL, or null when it is not set. */
  readonly publicProto: string | null
  readonly publicHost: string | null
}

/**
 * Reads X-Forwarded-* only from trusted peers. The client is the rightmost address that is not itself a trusted proxy
 * (RFC 7239 §8.1: everything to the left of it can be made up). A value that is no address ends the search.
 */
export function clientView(peer: string, head: RequestHead, host: string, trust: TrustPolicy): ClientView {
  const peerIp = plainAddress(peer)
  const { trustedProxies } = trust
  if (trustedProxies === null || peerIp === '' || !isInNetworks(trustedProxies, peerIp)) {
    return {
      ip: peerIp,
      proto: trust.publicProto ?? 'http',
      host: trust.publicHost ?? host,
      forwardedFor: peerIp,
    }
  }
  const chain: string[] = [peerIp]
  const claimed = (head.forwardedFor ?? '').split(',').map((part) => part.trim())
  for (const address of claimed.toReversed()) {
    const plain = plainAddress(address)
    if (isIP(plain) === 0) break
    chain.unshift(plain)
    if (!isInNetworks(trustedProxies, plain) || chain.length > 32) break
  }
  const claimedHost = head.forwardedHost !== null && hostName(head.forwardedHost) !== null
  const claimedProto = head.forwardedProto === 'https' || head.forwardedProto === 'http'
  return {
    ip: chain[0] ?? peerIp,
    proto: trust.publicProto ?? (claimedProto ? (head.forwardedProto ?? 'http') : 'http'),
    host: trust.publicHost ?? (claimedHost ? (head.forwardedHost ?? host) : host),
    forwardedFor: chain.join(', '),
  }
}
