import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'

/** Content codings (RFC 9110 §8.4.1, RFC 8878) that documents are read and written in, the ones that are cheapest to write first. */
const CODINGS = ['gzip', 'zstd', 'br', 'deflate'] as const

export type Coding = (typeof CODINGS)[number]

/** Of one piece of output: one turn of the event loop's work for the rewriter. */
const CHUNK_BYTES = 65_536
/** Enough for text at a rate that does not hold others up: a thread of four does it. */
const GZIP_LEVEL = 4
const BROTLI_QUALITY = 4

interface WithZstd {
  readonly createZstdCompress?: (options: zlib.ZlibOptions) => Transform
  readonly createZstdDecompress?: (options: zlib.ZlibOptions) => Transform
}

/** Of Node 22.15 and later. */
const { createZstdCompress, createZstdDecompress } = zlib as WithZstd

/** Those that this Node has. */
export const KNOWN_CODINGS: readonly Coding[] = CODINGS.filter(
  (coding) => coding !== 'zstd' || createZstdDecompress !== undefined,
)

/** The known codings that an Accept-Encoding (RFC 9110 §12.5.3) takes; none without the field. */
export function acceptedCodings(field: string | null): Coding[] {
  if (field === null) return []
  const weights = new Map<string, boolean>()
  for (const element of field.toLowerCase().split(',', 64)) {
    const [name = '', ...parameters] = element.split(';')
    const isRefused = parameters.some((parameter) => /^\s*q\s*=\s*0(?:\.0*)?\s*$/.test(parameter))
    weights.set(name.trim(), !isRefused)
  }
  const isTaken = (name: string): boolean | undefined => weights.get(name)
  return KNOWN_CODINGS.filter((coding) => {
    const own = isTaken(coding) ?? (coding === 'gzip' ? isTaken('x-gzip') : undefined)
    return own ?? isTaken('*') ?? false
  })
}

/** The coding that a Content-Encoding names: null for none; `unknown` for what cannot be read. */
export function codingOf(field: string | null): Coding | null | 'unknown' {
  const name = (field ?? '').trim().toLowerCase()
  if (name === '' || name === 'identity') return null
  if (name === 'x-gzip') return 'gzip'
  return KNOWN_CODINGS.find((coding) => coding === name) ?? 'unknown'
}

/** What takes a coding away. `first` is the beginning of the body: some servers send `deflate` without the frame that it has to have. */
export function decoderOf(coding: Coding, first: Buffer): Transform {
  const options = { chunkSize: CHUNK_BYTES }
  switch (coding) {
    case 'gzip':
      return zlib.createGunzip(options)
    case 'br':
      return zlib.createBrotliDecompress(options)
    case 'deflate':
      // RFC 1950 §2.2: the compression method, in the lower four bits, is 8.
      return ((first[0] ?? 0) & 0x0f) === 8 ? zlib.createInflate(options) : zlib.createInflateRaw(options)
    case 'zstd':
      if (createZstdDecompress === undefined) throw new Error('this Node has no zstd')
      return createZstdDecompress(options)
  }
}

/** What puts a coding on. */
export function encoderOf(coding: Coding): Transform {
  const options = { chunkSize: CHUNK_BYTES }
  switch (coding) {
    case 'gzip':
      return zlib.createGzip({ ...options, level: GZIP_LEVEL })
    case 'br':
      return zlib.createBrotliCompress({
        ...options,
        params: { [zlib.constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY },
      })
    case 'deflate':
      return zlib.createDeflate({ ...options, level: GZIP_LEVEL })
    case 'zstd':
      if (createZstdCompress === undefined) throw new Error('this Node has no zstd')
      return createZstdCompress(options)
  }
}
