const HEAD_END = Buffer.from('\r\n\r\n')
const CRLF = Buffer.from('\r\n')

/** What a piece of the stream brought. */
export type Progress = 'more' | 'complete' | 'malformed'

/**
 * Follows the HTTP/1.1 answers on one connection and keeps nothing of them but status and size. Understands Content-Length
 * and chunked bodies, of which the latter are collected to find their ends: the proxies compared answer with the first.
 */
export class ResponseReader {
  status = 0
  bodyBytes = 0
  #pending: Buffer | null = null
  /** Body bytes still to come; -1 in a head, -2 in a chunked body. */
  #rest = -1

  /** Takes a piece, which may be reused by the caller afterwards. At most one answer ends in a piece: there is no pipelining. */
  take(piece: Buffer): Progress {
    if (this.#rest > 0) return this.#body(piece.length)
    const bytes = this.#pending === null ? piece : Buffer.concat([this.#pending, piece])
    if (this.#rest === -2) return this.#chunks(bytes)
    const end = bytes.indexOf(HEAD_END)
    if (end < 0) return this.#keep(bytes)
    this.#pending = null
    const head = bytes.toString('latin1', 0, end).toLowerCase()
    this.status = Number(head.slice(9, 12))
    this.bodyBytes = 0
    const length = /\ncontent-length: *(\d+)/.exec(head)?.[1]
    const rest = bytes.length - end - HEAD_END.length
    if (length !== undefined) {
      this.#rest = Number(length)
      return this.#body(rest)
    }
    if (!head.includes('\ntransfer-encoding: chunked')) return 'malformed'
    this.#rest = -2
    return this.#chunks(bytes.subarray(end + HEAD_END.length))
  }

  #body(length: number): Progress {
    this.bodyBytes += length
    this.#rest -= length
    if (this.#rest > 0) return 'more'
    const isWhole = this.#rest === 0
    this.#rest = -1
    return isWhole ? 'complete' : 'malformed'
  }

  #chunks(bytes: Buffer): Progress {
    let at = 0
    for (;;) {
      const lineEnd = bytes.indexOf(CRLF, at)
      if (lineEnd < 0) return this.#keep(bytes.subarray(at))
      const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
      if (Number.isNaN(size)) return 'malformed'
      const next = lineEnd + 2 + size + 2
      if (bytes.length < next) return this.#keep(bytes.subarray(at))
      this.bodyBytes += size
      at = next
      if (size !== 0) continue
      this.#rest = -1
      this.#pending = null
      return 'complete'
    }
  }

  #keep(bytes: Buffer): Progress {
    // A copy: the caller's buffer is about to be filled anew.
    this.#pending = Buffer.from(bytes)
    return 'more'
  }
}
