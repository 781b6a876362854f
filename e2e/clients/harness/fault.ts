import type { ServerResponse } from 'node:http'

/** What happens once to an answer that a test has named. */
export interface Fault {
  /** Bytes of the body that pass before it happens. */
  readonly afterBytes: number
  /** `cut` resets the connection; else the rest passes when this has resolved. */
  readonly ending: 'cut' | Promise<unknown>
}

/** A fault, and what is called when the body has got so far. */
export interface Strike extends Fault {
  readonly reached: () => void
}

/** Has the body of an answer stop after so many bytes, for good or until a promise resolves. */
export function befall(res: ServerResponse, { afterBytes, ending, reached }: Strike): void {
  const write = res.write.bind(res) as (chunk: Buffer) => boolean
  const end = res.end.bind(res) as (chunk?: Buffer) => ServerResponse
  let left = afterBytes
  const waiting: Buffer[] = []
  let isStruck = false
  let hasEnded = false
  let isFree = false
  const free = (): void => {
    isFree = true
    if (res.destroyed) return
    for (const chunk of waiting) write(chunk)
    if (hasEnded) end()
    else res.emit('drain')
  }
  const take = (chunk: Buffer): boolean => {
    if (isFree) return write(chunk)
    const now = chunk.subarray(0, left)
    left -= now.length
    if (chunk.length > now.length) waiting.push(chunk.subarray(now.length))
    if (left > 0) return write(now)
    if (!isStruck) {
      isStruck = true
      if (now.length > 0) write(now)
      else res.flushHeaders()
      if (ending === 'cut') setImmediate(() => res.destroy())
      else void ending.then(free, free)
      reached()
    }
    return false
  }
  res.write = ((chunk: Buffer | string) => take(Buffer.from(chunk))) as typeof res.write
  res.end = ((chunk?: Buffer | string) => {
    if (chunk !== undefined && chunk !== '') take(Buffer.from(chunk))
    hasEnded = true
    if (isFree || !isStruck) end()
    return res
  }) as typeof res.end
}
