import { BlockList, isIP, SocketAddress } from 'node:net'

/** Says what is wrong with a network in CIDR notation (RFC 4632, RFC 4291 §2.3) or a single address, or null. */
export function networkProblem(text: string): string | null {
  const slash = text.indexOf('/')
  const address = slash === -1 ? text : text.slice(0, slash)
  const family = isIP(address)
  const width = family === 4 ? 32 : 128
  const prefix = slash === -1 ? width : Number(text.slice(slash + 1))
  const isPrefixValid = slash === -1 || /^\d{1,3}$/.test(text.slice(slash + 1))
  const shown = text.slice(0, 80)
  if (family === 0 || address.includes('%') || !isPrefixValid || prefix > width)
    return `"${shown}" is not a network: an address or CIDR such as 10.0.0.0/8 or 2001:db8::/32`
  const mapped = family === 6 ? mappedAddress(address) : null
  if (mapped === null || prefix >= MAPPED_BITS) return null
  return `"${shown}" is more than IPv4: the prefix of such a network is 96 to 128; write ${mapped}/8 for 104`
}

/** A valid network or address; as IPv4 if it is one of IPv4-mapped addresses: `::ffff:10.0.0.0/104` is 10.0.0.0/8. */
export function plainNetwork(network: string): string {
  const [address = '', prefix] = network.split('/')
  const mapped = isIP(address) === 6 ? mappedAddress(address) : null
  if (mapped === null) return network
  if (prefix === undefined) return mapped
  return Number(prefix) < MAPPED_BITS ? network : `${mapped}/${Number(prefix) - MAPPED_BITS}`
}

/** Compiles valid networks into a list whose `check` tells membership; null for none at all. */
export function compileNetworks(networks: readonly string[]): BlockList | null {
  if (networks.length === 0) return null
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = plainNetwork(network).split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family)
  }
  return list
}

/**
 * Whether the address lies in the networks. IPv4-mapped IPv6 addresses (RFC 4291 §2.5.5.2) count as IPv4. What is no address, as
 * that of an unknown client, lies in none.
 */
export function isInNetworks(networks: BlockList, address: string): boolean {
  const plain = plainAddress(address)
  const family = isIP(plain)
  return family !== 0 && networks.check(plain, family === 6 ? 'ipv6' : 'ipv4')
}

/** Bits before the IPv4 address in one that is mapped. */
const MAPPED_BITS = 96
/** 80 bits of 0 and 16 of 1, however they are written, before an IPv4 address as such or in hexadecimal; of a valid address. */
const MAPPED = /^[0:]*:ffff:(?:([\d.]+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i

/** The IPv4 address that a valid IPv6 address stands for (RFC 4291 §2.5.5.2), or null. */
function mappedAddress(address: string): string | null {
  const [whole, dotted, high, low] = MAPPED.exec(address) ?? []
  if (whole === undefined) return null
  if (dotted !== undefined) return dotted
  const bits = [Number.parseInt(high ?? '', 16), Number.parseInt(low ?? '', 16)] as const
  return bits.map((pair) => `${pair >> 8}.${pair & 255}`).join('.')
}

/** The address as IPv4 where it is such a one in IPv6, as a dual-stack socket tells it, and without a zone. */
export function plainAddress(address: string): string {
  if (!address.includes(':')) return address
  const zone = address.indexOf('%')
  const bare = zone === -1 ? address : address.slice(0, zone)
  // Only addresses that begin with zeros can be mapped: the others are spared the look.
  const first = bare.charCodeAt(0)
  return first === COLON || first === ZERO ? (mappedAddress(bare) ?? bare) : bare
}

const COLON = 0x3a
const ZERO = 0x30

/** Port of a node in a forwarding field (RFC 7239 §6): a number, or an obfuscated one. */
const PORT = /^(?:\d{1,5}|_[A-Za-z0-9._-]+)$/
/** Longest text that is looked at: an IPv6 address with zone, brackets, quotes and port is shorter. */
const MAX_NODE_LENGTH = 128

/**
 * The plain address that a proxy writes of a client (RFC 7239 §6, and what balancers write into X-Forwarded-For): with a port or
 * without, in brackets, quoted, with a zone, IPv4 in IPv6 in any spelling. null for all else, `unknown` and obfuscated names
 * included: it is no client's address.
 */
export function readNode(text: string): string | null {
  let node = text.replace(/^[ \t]+|[ \t]+$/g, '')
  if (node.length > MAX_NODE_LENGTH) return null
  if (node.length > 1 && node.startsWith('"') && node.endsWith('"')) node = node.slice(1, -1)
  let port: string | null = null
  if (node.startsWith('[')) {
    const end = node.indexOf(']')
    const rest = node.slice(end + 1)
    if (end === -1 || (rest !== '' && !rest.startsWith(':'))) return null
    if (rest !== '') port = rest.slice(1)
    node = node.slice(1, end)
    if (isIP(withoutZone(node)) !== 6) return null
  } else {
    const colon = node.indexOf(':')
    // One colon stands before a port; more are of an IPv6 address, which is written without brackets and has none then.
    if (colon !== -1 && colon === node.lastIndexOf(':')) {
      port = node.slice(colon + 1)
      node = node.slice(0, colon)
    }
  }
  if (port !== null && !PORT.test(port)) return null
  const address = withoutZone(node)
  const family = isIP(address)
  if (family === 0) return null
  if (family === 4) return node === address ? address : null
  const mapped = mappedAddress(address)
  // One text for one address, however it was written.
  return mapped ?? new SocketAddress({ address, family: 'ipv6' }).address
}

function withoutZone(address: string): string {
  const zone = address.indexOf('%')
  return zone === -1 ? address : address.slice(0, zone)
}

const LINK_LOCAL = compileNetworks(['169.254.0.0/16', 'fe80::/10'])

/** Whether an address is one of the link-local ones, where clouds keep their metadata. */
export function isLinkLocal(address: string): boolean {
  return LINK_LOCAL !== null && isInNetworks(LINK_LOCAL, address)
}
