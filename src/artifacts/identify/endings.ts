import { withoutEnding } from './paths.ts'

/** Endings of names, of which a text's last character says which come into question. */
export class Endings {
  readonly #byLast: (string[] | undefined)[] = Array.from({ length: 128 }, () => undefined)

  /** `endings`: of ASCII, none empty; of two that fit, the one that stands first counts. */
  constructor(endings: readonly string[]) {
    for (const ending of endings) {
      const last = ending.charCodeAt(ending.length - 1)
      const others = (this.#byLast[last] ??= [])
      others.push(ending)
    }
  }

  /** The text without its ending, in whichever case, if something is left; null where it has none. The endings are in lower case. */
  without(text: string): string | null {
    const last = text.charCodeAt(text.length - 1)
    const candidates = this.#byLast[last >= 0x41 && last <= 0x5a ? last + 0x20 : last]
    return candidates === undefined ? null : withoutEnding(text, candidates)
  }

  /** The length of the ending that a text has; 0 for none. */
  lengthIn(text: string): number {
    const candidates = this.#byLast[text.charCodeAt(text.length - 1)]
    if (candidates === undefined) return 0
    for (const ending of candidates) if (text.endsWith(ending)) return ending.length
    return 0
  }
}
