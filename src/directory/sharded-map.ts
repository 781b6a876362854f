const SHARDS = 256

type Shard<V> = ReadonlyMap<string, V>

/**
 * A map that never changes, in 256 parts by three characters of the name, so that a change copies one of them and shares
 * the rest with the map before:
 *
 *     map n      00 01 02 … ff          one of 100,000 names changes:
 *                 │  │  │     │         about 400 entries are copied, not 100,000
 *     map n+1    00 01 02' … ff
 */
export class ShardedMap<V> {
  readonly size: number
  readonly shards: readonly Shard<V>[]

  constructor(shards: readonly Shard<V>[]) {
    this.shards = shards
    this.size = sizeOf(shards)
  }

  get(name: string): V | undefined {
    return this.shards[shardOf(name)]?.get(name)
  }

  *values(): IterableIterator<V> {
    for (const shard of this.shards) yield* shard.values()
  }
}

/** What becomes of a `ShardedMap`: nothing is copied before it is set, and of a shard only once. */
export class ShardedMapUpdate<V> {
  readonly #base: ShardedMap<V> | null
  /** Made at the first change. */
  #shards: (Map<string, V> | undefined)[] | null = null

  /** From `base`, or from an empty map. */
  constructor(base: ShardedMap<V> | null) {
    this.#base = base
  }

  get size(): number {
    return this.#shards === null ? (this.#base?.size ?? 0) : sizeOf(this.#merged(this.#shards))
  }

  get(name: string): V | undefined {
    const own = this.#shards?.[shardOf(name)]
    return own === undefined ? this.#base?.get(name) : own.get(name)
  }

  set(name: string, value: V): void {
    this.#shards ??= Array.from({ length: SHARDS }, () => undefined)
    const index = shardOf(name)
    const shard = (this.#shards[index] ??= new Map(this.#base?.shards[index]))
    shard.set(name, value)
  }

  /** The new map; the base itself when nothing was set. */
  finish(): ShardedMap<V> {
    if (this.#shards === null) return this.#base ?? new ShardedMap([])
    return new ShardedMap(this.#merged(this.#shards))
  }

  #merged(shards: readonly (Map<string, V> | undefined)[]): Shard<V>[] {
    return shards.map((shard, i) => shard ?? this.#base?.shards[i] ?? new Map<string, V>())
  }
}

function sizeOf(shards: readonly Shard<unknown>[]): number {
  let size = 0
  for (const shard of shards) size += shard.size
  return size
}

/** By the last characters, where names that are numbered differ; digests differ everywhere. Some shard or other for ''. */
function shardOf(name: string): number {
  const { length } = name
  const code =
    name.charCodeAt(length - 1) + name.charCodeAt(length - 2) * 37 + name.charCodeAt(length - 3) * 1369
  return code & (SHARDS - 1)
}
