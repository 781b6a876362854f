/** Something that moves bytes and has a place that others wait for. */
export interface Transfer {
  /** Bytes so far that a client has sent or taken; -1 when it moves none now, and rightly so. */
  moved(): number
  /** Monotonic milliseconds since when it moves. */
  movingSince(): number
  /** Ends it, which frees its place: others wait, and it moves too little. */
  giveWay(): void
}

/** What a transfer had moved when that was looked at last. */
export class ProgressMark {
  bytes = 0
  /** Monotonic milliseconds. */
  tick = performance.now()

  reset(tick: number): void {
    this.bytes = 0
    this.tick = tick
  }
}

export interface MarkedTransfer {
  readonly mark: ProgressMark
  readonly transfer: Transfer
}

/** What is too slow: fewer bytes per second, over so long. */
export interface SlowRule {
  readonly bytesPerSecond: number
  readonly afterMs: number
}

/** Those that are too slow, at most `count`, the slowest first. Each is looked at over `afterMs` at least, from its begin at first. */
export function slowest(
  transfers: Iterable<MarkedTransfer>,
  count: number,
  rule: SlowRule,
  tick: number,
): Transfer[] {
  const slow: { transfer: Transfer; rate: number }[] = []
  for (const { mark, transfer } of transfers) {
    const bytes = transfer.moved()
    if (bytes < 0) continue
    const elapsedMs = tick - Math.max(mark.tick, transfer.movingSince())
    if (elapsedMs < rule.afterMs) continue
    const rate = ((bytes - mark.bytes) * 1000) / elapsedMs
    if (rate < rule.bytesPerSecond) {
      slow.push({ transfer, rate })
    } else {
      mark.bytes = bytes
      mark.tick = tick
    }
  }
  return slow
    .toSorted((a, b) => a.rate - b.rate)
    .slice(0, count)
    .map(({ transfer }) => transfer)
}
