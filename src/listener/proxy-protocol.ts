import { isIPv4, isIPv6 } from 'node:net'

/** What the beginning of a connection says in the PROXY protocol (HAProxy, doc/proxy-protocol.txt, versions 1 and 2). */
export type ProxyHeader =
  /** Not whole yet. */
  | { readonly state: 'partial' }
  /** Not the protocol, or not as it is written there. */
  | { readonly state: 'invalid' }
  | {
      readonly state: 'read'
      /** Bytes of the header; what follows is the client's. */
      readonly length: number
      /**
       * The client's address; null when the balancer speaks for itself (LOCAL: health checks), '' when it does not say for whom
       * (UNKNOWN, UNSPEC, a Unix socket).
       */
      readonly source: string | null
    }

const PARTIAL: ProxyHeader = { state: 'partial' }
const INVALID: ProxyHeader = { state: 'invalid' }

const V1 = Buffer.from('PROXY ')
/** "The maximum line length the receiver must support including the CRLF is" this, in version 1. */
const V1_MAX_BYTES = 107
const V1_LINE = /^PROXY (TCP4|TCP6) (\S+) (\S+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})$/

const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_HEAD_BYTES = 16
/** Addresses take up to 216; the rest is TLVs, which nobody fills so far. The protocol would allow 65,535. */
const V2_MAX_PAYLOAD_BYTES = 4096
/** Bytes of the addresses by family: unspecified, IPv4, IPv6, Unix. */
const ADDRESS_BYTES = [0, 12, 36, 216] as const

/** Reads the header at the beginning of what a connection has brought so far. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsAs(bytes, V2)) return bytes.length < V2_HEAD_BYTES ? PARTIAL : readV2(bytes)
  return startsAs(bytes, V1) ? readV1(bytes) : INVALID
}

/** Whether the bytes, as far as they are there, are those of the signature. */
function startsAs(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length)
  return bytes.compare(signature, 0, length, 0, length) === 0
}

function readV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_MAX_BYTES).indexOf('\r\n')
  if (end === -1) return bytes.length < V1_MAX_BYTES ? PARTIAL : INVALID
  const line = bytes.toString('latin1', 0, end)
  const length = end + 2
  // What follows the word is to be ignored.
  if (line === 'PROXY UNKNOWN' || line.startsWith('PROXY UNKNOWN '))
    return { state: 'read', length, source: '' }
  const [whole, family, source = '', target = '', sourcePort, targetPort] = V1_LINE.exec(line) ?? []
  if (whole === undefined || Number(sourcePort) > 65_535 || Number(targetPort) > 65_535) return INVALID
  const isAddress = family === 'TCP4' ? isIPv4 : isIPv6
  const isValid = isAddress(source) && isAddress(target) && !source.includes('%') && !target.includes('%')
  return isValid ? { state: 'read', length, source } : INVALID
}

function readV2(bytes: Buffer): ProxyHeader {
  const version = bytes.readUInt8(12) >> 4
  const command = bytes.readUInt8(12) & 15
  const family = bytes.readUInt8(13) >> 4
  const transport = bytes.readUInt8(13) & 15
  const payloadBytes = bytes.readUInt16BE(14)
  const addressBytes = ADDRESS_BYTES[family]
  if (version !== 2 || command > 1 || addressBytes === undefined || transport > 2) return INVALID
  if (payloadBytes > V2_MAX_PAYLOAD_BYTES || payloadBytes < addressBytes) return INVALID
  const length = V2_HEAD_BYTES + payloadBytes
  if (bytes.length < length) return PARTIAL
  if (!isTlvList(bytes.subarray(V2_HEAD_BYTES + addressBytes, length), family)) return INVALID
  // LOCAL: whatever stands in the rest is to be discarded.
  if (command === 0) return { state: 'read', length, source: null }
  return { state: 'read', length, source: sourceOf(bytes, family, transport) }
}

/** '' for all that is no address of a stream. */
function sourceOf(bytes: Buffer, family: number, transport: number): string {
  if (transport !== 1) return ''
  const at = V2_HEAD_BYTES
  if (family === 1) return bytes.subarray(at, at + 4).join('.')
  if (family !== 2) return ''
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i).toString(16))
  return groups.join(':')
}

/** Whether the type-length-value triples fill their place exactly. Without a family nothing says where they begin: not looked at. */
function isTlvList(bytes: Buffer, family: number): boolean {
  if (family === 0) return true
  let at = 0
  while (at + 3 <= bytes.length) at += 3 + bytes.readUInt16BE(at + 1)
  return at === bytes.length
}
