import type { RuleBook } from '../model/rules/rule-book.ts'
import { isSameRule, type RuleRecord } from '../model/rules/rule.ts'
import { ShardedMap, ShardedMapUpdate } from './sharded-map.ts'

const NO_RULES: readonly RuleRecord[] = []

/**
 * All rules at one moment: by id, and those in force by what they name. A change of one among 100,000 copies one shard of each map, some 400
 * entries, and a package costs one look-up, however many there are.
 */
export class RuleShards implements RuleBook {
  /** Disabled ones included, and removed ones until the next full load. */
  readonly byId: ShardedMap<RuleRecord>
  /** Active ones by type and look-up. */
  readonly index: ShardedMap<readonly RuleRecord[]>
  readonly #counts: ReadonlyMap<string, number>
  readonly count: number

  constructor(
    byId: ShardedMap<RuleRecord>,
    index: ShardedMap<readonly RuleRecord[]>,
    counts: ReadonlyMap<string, number>,
  ) {
    this.byId = byId
    this.index = index
    this.#counts = counts
    this.count = [...counts.values()].reduce((sum, count) => sum + count, 0)
  }

  named(type: string, lookUp: string): readonly RuleRecord[] {
    return this.index.get(`${type}/${lookUp}`) ?? NO_RULES
  }

  countOf(type: string): number {
    return this.#counts.get(type) ?? 0
  }

  /** Those whose name is a pattern have no look-up. */
  patterns(type: string): readonly RuleRecord[] {
    return this.index.get(`${type}/`) ?? NO_RULES
  }

  /** For the book after this one. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts
  }
}

/** No rule at all: what holds where none is known and that is to let all pass. */
export const EMPTY_RULES = new RuleShards(new ShardedMap([]), new ShardedMap([]), new Map())

/** Builds the book that follows `base` from rows, in whatever order they come; see `SnapshotUpdate`. */
export class RuleShardsUpdate {
  readonly #base: RuleShards | null
  readonly #isFull: boolean
  readonly #byId: ShardedMapUpdate<RuleRecord>
  readonly #index: ShardedMapUpdate<readonly RuleRecord[]>
  readonly #counts: Map<string, number>
  #hasChanged = false
  #isContradicted = false

  constructor(base: RuleShards | null, isFull: boolean) {
    const kept = isFull ? null : base
    this.#base = base
    this.#isFull = isFull
    this.#byId = new ShardedMapUpdate(kept?.byId ?? null)
    this.#index = new ShardedMapUpdate(kept?.index ?? null)
    this.#counts = new Map(kept?.counts)
  }

  /** A row says something else than was read before, and is not newer. */
  get isContradicted(): boolean {
    return this.#isContradicted
  }

  add(record: RuleRecord): void {
    const old = this.#base?.byId.get(record.id)
    const isSame = old !== undefined && isSameRule(old, record)
    if (!this.#isFull) {
      if (isSame) return
      // What is behind is left to the full load that is asked for: what was read last decides until then.
      if (old !== undefined && old.version >= record.version) {
        this.#isContradicted = true
        return
      }
    }
    // A full load that gives a rule twice: the later row is in its place.
    const present = this.#byId.get(record.id)
    if (present !== undefined) this.#unlist(present)
    if (!isSame) this.#hasChanged = true
    const rule = isSame ? old : record
    this.#byId.set(rule.id, rule)
    if (rule.state === 'active') this.#list(rule)
  }

  /** The new book; `base` itself when nothing has changed. */
  finish(): RuleShards {
    const base = this.#base
    if (base !== null && !this.#hasChanged && this.#byId.size === base.byId.size) return base
    return new RuleShards(this.#byId.finish(), this.#index.finish(), this.#counts)
  }

  #list(rule: RuleRecord): void {
    const name = `${rule.type}/${rule.lookUp}`
    const others = this.#index.get(name)
    // A list of snapshots before, perhaps, so a copy. The bound of patterns (`MAX_PATTERNS`) bounds this.
    this.#index.set(name, others === undefined ? [rule] : [...others, rule])
    this.#counts.set(rule.type, (this.#counts.get(rule.type) ?? 0) + 1)
  }

  #unlist(rule: RuleRecord): void {
    if (rule.state !== 'active') return
    const name = `${rule.type}/${rule.lookUp}`
    const others = this.#index.get(name) ?? NO_RULES
    this.#index.set(
      name,
      others.filter(({ id }) => id !== rule.id),
    )
    this.#counts.set(rule.type, (this.#counts.get(rule.type) ?? 1) - 1)
  }
}
