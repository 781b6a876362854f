import type { FailureKind, FailureName } from '../../model/upstream/health-rules.ts'

/** What of attempts counts as failed, ready to be asked at each answer. */
export class FailureSet {
  readonly #kinds: ReadonlySet<FailureName>
  readonly #statuses: ReadonlySet<number>
  readonly #hasAll: boolean

  constructor(names: readonly FailureName[]) {
    this.#kinds = new Set(names)
    this.#statuses = new Set(names.filter((name) => typeof name === 'number'))
    this.#hasAll = names.includes('5xx')
  }

  /** Whether an attempt that ended so failed; one that did not, does not count at all. */
  hasKind(kind: FailureKind): boolean {
    return this.#kinds.has(kind)
  }

  /** Whether an attempt that was answered so failed. */
  hasStatus(status: number): boolean {
    if (status < 400) return false
    return (this.#hasAll && status >= 500) || this.#statuses.has(status)
  }
}
