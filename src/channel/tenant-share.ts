import type { AccessEntry } from '../model/access-entry.ts'

/** Entries of one tenant in the order of their arrival, linked through `AccessEntry.next`. */
class EntryList {
  #head: AccessEntry | null = null
  #tail: AccessEntry | null = null

  get isEmpty(): boolean {
    return this.#head === null
  }

  append(entry: AccessEntry): void {
    if (this.#tail === null) this.#head = entry
    else this.#tail.next = entry
    this.#tail = entry
  }

  /** Removes and returns the oldest; null when empty. */
  shift(): AccessEntry | null {
    const entry = this.#head
    if (entry === null) return null
    this.#head = entry.next
    if (this.#head === null) this.#tail = null
    entry.next = null
    return entry
  }
}

/** Entries of one tenant that may be displaced. */
export class EvictableEntries {
  size = 0
  /** Successful reads: the first to go. */
  readonly #bulk = new EntryList()
  /** Refusals, failures and writes. */
  readonly #kept = new EntryList()

  get hasBulk(): boolean {
    return !this.#bulk.isEmpty
  }

  add(entry: AccessEntry): void {
    this.size++
    ;(isBulk(entry) ? this.#bulk : this.#kept).append(entry)
  }

  /** The queue's oldest entry leaves; so it is the oldest of its list, too. */
  leave(entry: AccessEntry): void {
    this.size--
    ;(isBulk(entry) ? this.#bulk : this.#kept).shift()
  }

  /** Removes and returns the entry that is missed least; null when empty. */
  evict(): AccessEntry | null {
    const entry = this.#bulk.shift() ?? this.#kept.shift()
    if (entry !== null) this.size--
    return entry
  }
}

/** A tenant's part of the queue. Belongs to the tenant's account, so that a push needs one look-up and not two. */
export class TenantShare {
  /** Entries in the queue. */
  waiting = 0
  /** Places reserved, whether their entries are still to come or wait in them: entries with the standing `held`. */
  claims = 0
  readonly firm = new EvictableEntries()
  readonly loose = new EvictableEntries()
}

/** Whether a security responder would miss the entry least: a read that succeeded. */
export function isBulk(entry: AccessEntry): boolean {
  return (
    entry.outcome === 'forwarded' && entry.status < 400 && (entry.method === 'GET' || entry.method === 'HEAD')
  )
}
