import type { Latency } from './job.ts'

const FIRST_CAPACITY = 65_536

/** Every latency of a run, exact; 8 bytes each. */
export class Latencies {
  #values = new Float64Array(FIRST_CAPACITY)
  #count = 0

  add(ms: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#values.length * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#count++] = ms
  }

  summary(): Latency {
    const sorted = this.#values.subarray(0, this.#count).sort()
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) }
  }
}
