import { plainAddress } from '../model/network.ts'

/** Counts the connections of each source, lest one take them all. As many sources as there are connections, at most. */
export class Sources {
  readonly #open = new Map<string, number>()
  /** Connections that one source may have open. */
  max: number

  constructor(max: number) {
    this.max = max
  }

  /** Counts a connection in; false, and not counted, when the source has its number. */
  enter(source: string): boolean {
    const open = this.#open.get(source) ?? 0
    if (open >= this.max) return false
    this.#open.set(source, open + 1)
    return true
  }

  leave(source: string): void {
    const open = this.#open.get(source) ?? 0
    if (open > 1) this.#open.set(source, open - 1)
    else this.#open.delete(source)
  }
}

/** Who is one source: an IPv4 address, or a network of 64 bits in IPv6, the least that anybody is given (RFC 6177). */
export function sourceOf(address: string): string {
  const plain = plainAddress(address)
  if (!plain.includes(':')) return plain
  const [left = '', right] = plain.split('::')
  const before = left === '' ? [] : left.split(':')
  const after = right === undefined || right === '' ? [] : right.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0')
  return [...before, ...zeros, ...after].slice(0, 4).join(':')
}
