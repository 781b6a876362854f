import type { BlockList } from 'node:net'
import type { AddressField } from '../../model/address-field.ts'
import { isInNetworks, plainAddress, readNode } from '../../model/network.ts'
import { readForwarded } from '../../http/forwarded-field.ts'
import type { RequestHead } from '../../http/request-head.ts'
import { hostName } from '../routing/target.ts'

/** Who the client is and how it reached the gateway, as far as the gateway believes it. */
export interface ClientView {
  /** Plain address of the client: the peer, or what a trusted proxy says; '' when that cannot be read. */
  readonly ip: string
  readonly proto: string
  /** Host that the client asked for, with port. */
  readonly host: string
  /** Path that the front takes away, without a slash at its end; '' for none. */
  readonly base: string
  /** Scheme and host are the gateway's own, and may be told to clients: nobody but the operator, or this machine, has named them. */
  readonly isOwnAddress: boolean
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
  /** Path of the public URL, without a slash at its end; '' for none, the default. */
  readonly publicBase?: string
  /** Only this machine reaches the listener, so that without a public URL the Host of a request is the gateway's. Default false. */
  readonly isLoopback?: boolean
  /** Default `auto`. */
  readonly addressField?: AddressField
}

/** Longest chain of proxies that is followed. */
const MAX_CHAIN = 32

/** What a trusted proxy says of the one in front of it. */
interface Claim {
  /** Addresses from the client to the peer. '' first: what was said last of the client cannot be read. */
  readonly chain: readonly string[]
  readonly proto: string | null
  readonly host: string | null
}

/**
 * Reads forwarding fields only from trusted peers. The client is the rightmost address that is not itself a trusted proxy
 * (RFC 7239 §8.1: everything to the left of it can be made up). A value that is no address ends the search, and the client is
 * nobody: were it the proxy that wrote the value, every stranger could come by its rights.
 */
export function clientView(
  peer: string,
  head: RequestHead,
  host: string,
  trust: TrustPolicy,
  proto: string = 'http',
): ClientView {
  const peerIp = plainAddress(peer)
  const { trustedProxies, publicHost, publicBase: base = '' } = trust
  const isOwnAddress = publicHost !== null || trust.isLoopback === true
  if (trustedProxies === null || peerIp === '' || !isInNetworks(trustedProxies, peerIp)) {
    return {
      ip: peerIp,
      proto: trust.publicProto ?? proto,
      host: publicHost ?? host,
      base,
      isOwnAddress,
      forwardedFor: peerIp === '' ? 'unknown' : peerIp,
    }
  }
  const claim = readClaim(peerIp, head, trustedProxies, trust.addressField ?? 'auto')
  const [ip = '', ...proxies] = claim.chain
  const claimedProto = claim.proto?.toLowerCase()
  const claimedHost = claim.host !== null && hostName(claim.host) !== null ? claim.host : null
  return {
    ip,
    proto: trust.publicProto ?? (claimedProto === 'https' || claimedProto === 'http' ? claimedProto : proto),
    host: publicHost ?? claimedHost ?? host,
    base,
    isOwnAddress,
    forwardedFor: [ip === '' ? 'unknown' : ip, ...proxies].join(', '),
  }
}

function readClaim(peerIp: string, head: RequestHead, trusted: BlockList, field: AddressField): Claim {
  const { forwardedFor, forwarded, realIp } = head
  const isAuto = field === 'auto'
  if (forwardedFor !== null && (isAuto || field === 'x-forwarded-for')) {
    const elements = new ListFromEnd(forwardedFor)
    return withOtherFields(
      head,
      follow(peerIp, trusted, () => elements.next()),
    )
  }
  if (forwarded !== null && (isAuto || field === 'forwarded')) {
    const elements = readForwarded(forwarded)
    let at = elements?.length ?? 0
    // Not read at all: there is one element, and what it says is not known.
    let isUnread = at === 0
    const chain = follow(peerIp, trusted, () => {
      if (isUnread) {
        isUnread = false
        return ''
      }
      return at === 0 ? null : (elements?.[--at]?.node ?? '')
    })
    const { proto = null, host = null } = elements?.[at] ?? {}
    const others = withOtherFields(head, chain)
    return { chain, proto: proto ?? others.proto, host: host ?? others.host }
  }
  if (realIp !== null && (isAuto || field === 'x-real-ip')) {
    return withOtherFields(head, [readNode(realIp) ?? '', peerIp])
  }
  return withOtherFields(head, [peerIp])
}

/** The chain from the client to the peer; `next` gives the elements from the last to the first, null after that. */
function follow(peerIp: string, trusted: BlockList, next: () => string | null): readonly string[] {
  const chain = [peerIp]
  // A field without any element says nothing that could be read.
  for (let element = next() ?? ''; ;) {
    const address = readNode(element)
    chain.unshift(address ?? '')
    if (address === null || !isInNetworks(trusted, address)) return chain
    const before = next()
    if (before === null) return chain
    if (chain.length > MAX_CHAIN) {
      chain.unshift('')
      return chain
    }
    element = before
  }
}

/** Proxies that add to the list of addresses add to these as well, or write one value for the whole way. */
function withOtherFields(head: RequestHead, chain: readonly string[]): Claim {
  const fromEnd = Math.max(1, chain.length - 1)
  return {
    chain,
    proto: head.forwardedProto === null ? null : elementFromEnd(head.forwardedProto, fromEnd),
    host: head.forwardedHost === null ? null : elementFromEnd(head.forwardedHost, fromEnd),
  }
}

/** The element that is the `n`-th from the end, or the first one when there are fewer; null without any. */
function elementFromEnd(list: string, n: number): string | null {
  const elements = new ListFromEnd(list)
  let found: string | null = null
  for (let i = 0; i < n; i++) {
    const element = elements.next()
    if (element === null) break
    found = element
  }
  return found
}

/** The elements of a list field (RFC 9110 §5.6.1) from its end on, without the empty ones: few are wanted of lists of any length. */
class ListFromEnd {
  readonly #list: string
  #end: number

  constructor(list: string) {
    this.#list = list
    this.#end = list.length
  }

  next(): string | null {
    while (this.#end >= 0) {
      const comma = this.#end === 0 ? -1 : this.#list.lastIndexOf(',', this.#end - 1)
      const element = this.#list.slice(comma + 1, this.#end).replace(/^[ \t]+|[ \t]+$/g, '')
      this.#end = comma
      if (element !== '') return element
    }
    return null
  }
}
