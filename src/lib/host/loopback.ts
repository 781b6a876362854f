import { isIP } from 'node:net'

/** Whether an address or host name, that of an IPv6 address in brackets or not, can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, '')
  return plain === 'localhost' || plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))
}
