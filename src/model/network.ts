import { BlockList, isIP } from 'node:net'

/** Says what is wrong with a network in CIDR notation (RFC 4632, RFC 4291 §2.3) or a single address, or null. */
export function networkProblem(text: string): string | null {
  const slash = text.indexOf('/')
  const address = slash === -1 ? text : text.slice(0, slash)
  const family = isIP(address)
  const width = family === 4 ? 32 : 128
  const prefix = slash === -1 ? width : Number(text.slice(slash + 1))
  const isPrefixValid = slash === -1 || /^\d{1,3}$/.test(text.slice(slash + 1))
  if (family !== 0 && !address.includes('%') && isPrefixValid && prefix <= width) return null
  return `"${text.slice(0, 80)}" is not a network: an address or CIDR such as 10.0.0.0/8 or 2001:db8::/32`
}

/** Compiles valid networks into a list whose `check` tells membership; null for none at all. */
export function compileNetworks(networks: readonly string[]): BlockList | null {
  if (networks.length === 0) return null
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family)
  }
  return list
}

/** Whether the address lies in the networks. IPv4-mapped IPv6 addresses (RFC 4291 §2.5.5.2) count as IPv4. */
export function isInNetworks(networks: BlockList, address: string): boolean {
  const plain = plainAddress(address)
  return networks.check(plain, plain.includes(':') ? 'ipv6' : 'ipv4')
}

/** The address without the `::ffff:` that a dual-stack socket puts before IPv4 and without a zone. */
export function plainAddress(address: string): string {
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7)
  const zone = address.indexOf('%')
  return zone === -1 ? address : address.slice(0, zone)
}
