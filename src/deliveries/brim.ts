/** Told from this share on … */
const FULL_AT = 0.95
/** … until it is below this one: what goes up and down by a little is told once. */
const ROOM_BELOW = 0.9

/** Which of the things with a bound are nearly full. */
export class Brim {
  readonly #full = new Set<string>()
  readonly #onChange: (name: string, isFull: boolean, fill: number) => void

  /** `onChange` is told of each that becomes nearly full, or has room again. */
  constructor(onChange: (name: string, isFull: boolean, fill: number) => void = () => {}) {
    this.#onChange = onChange
  }

  /** Names of those that are nearly full, as of the last look at each. */
  get full(): ReadonlySet<string> {
    return this.#full
  }

  /** One was looked at: `fill` is the share of its bound, which may be above 1. */
  look(name: string, fill: number): void {
    const wasFull = this.#full.has(name)
    const isFull = wasFull ? fill >= ROOM_BELOW : fill >= FULL_AT
    if (isFull === wasFull) return
    if (isFull) this.#full.add(name)
    else this.#full.delete(name)
    this.#onChange(name, isFull, fill)
  }
}
