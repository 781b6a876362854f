import { plainAddress } from './network.ts'

/** Groups of an IPv6 address that one subscriber has at least (RFC 6177 §2: a /64 is the least that is assigned). */
const NETWORK_GROUPS = 4

/** The source that a client's address belongs to where there is no tenant: an IPv4 address itself, of an IPv6 address its /64. */
export function sourceOf(address: string): string {
  const plain = plainAddress(address)
  if (!plain.includes(':')) return plain
  const [left = '', right] = plain.split('::')
  const before = left === '' ? [] : left.split(':')
  const after = right === undefined || right === '' ? [] : right.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0')
  return [...before, ...zeros, ...after].slice(0, NETWORK_GROUPS).join(':')
}
