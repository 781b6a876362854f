/** Groups of an IPv6 address that one subscriber has at least (RFC 6177 §2: a /64 is the least that anybody is given). */
const NETWORK_GROUPS = 4

/** Whom a client's address stands for where there is no tenant: an IPv4 address itself, of an IPv6 address its /64. */
export function sourceOf(ip: string): string {
  if (!ip.includes(':')) return `ip ${ip}`
  const [front = '', back] = ip.split('::')
  const groups = front === '' ? [] : front.split(':')
  if (back !== undefined) {
    const after = back === '' ? 0 : back.split(':').length
    for (let missing = 8 - groups.length - after; missing > 0; missing--) groups.push('0')
  }
  return `ip ${groups.slice(0, NETWORK_GROUPS).join(':')}`
}
