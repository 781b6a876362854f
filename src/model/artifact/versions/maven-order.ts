import { compareDigits, compareText, type Comparison, orderOf, withoutLeadingZeros } from './order.ts'

/** A part of a version: a number, a qualifier, maybe with a number behind it (`rc1`), or the parts behind a `-`. */
type Item =
  | { readonly type: 'number'; readonly digits: string }
  | { readonly type: 'text'; readonly text: string; readonly digits: string | null }
  | { readonly type: 'list'; readonly items: Item[] }

/** In their order; the empty one is the release. Unknown qualifiers come after, by their letters. */
const QUALIFIERS = ['alpha', 'beta', 'milestone', 'rc', 'snapshot', '', 'sp']
const RELEASE = new Set(['ga', 'final', 'release'])
const RELEASE_KEY = String(QUALIFIERS.indexOf(''))
/** Of a letter that a digit follows. */
const SHORT: Readonly<Record<string, string>> = { a: 'alpha', b: 'beta', m: 'milestone' }

/** Maven's order (ComparableVersion of maven-artifact 3.9; "Version Order Specification" of its POM reference). */
export const mavenOrder = orderOf(
  (version) => (/^[\x21-\x7e]+$/.test(version) ? new Parser(version.toLowerCase()).items : null),
  (a, b) => compareItems({ type: 'list', items: a }, { type: 'list', items: b }),
)

/** Splits a version at `.`, at `-`, and where digits and letters meet; what is behind a `-` or such a place is a list of its own. */
class Parser {
  readonly items: Item[] = []
  readonly #lists: Item[][] = [this.items]
  #list = this.items
  #start = 0
  #isDigit = false
  #isCombination = false

  constructor(version: string) {
    for (let i = 0; i < version.length; i++) {
      const char = version[i] ?? ''
      if (char === '.') this.#dot(version, i)
      else if (char === '-') this.#dash(version, i)
      else if (isDigit(char)) this.#digit(i)
      else this.#letter(version, i)
    }
    if (version.length > this.#start) {
      // `.X` is `-X` for any qualifier.
      if (!this.#isDigit && this.#list.length > 0) this.#open()
      this.#add(version.slice(this.#start))
    }
    for (const list of this.#lists.toReversed()) normalize(list)
  }

  #dot(version: string, i: number): void {
    this.#add(version.slice(this.#start, i))
    this.#isCombination = false
    this.#start = i + 1
  }

  #dash(version: string, i: number): void {
    if (i > this.#start && !this.#isDigit && isDigit(version[i + 1] ?? '')) {
      this.#isCombination = true // X-1 is X1
      return
    }
    this.#add(version.slice(this.#start, i))
    this.#start = i + 1
    if (this.#list.length > 0) this.#open()
    this.#isCombination = false
  }

  #digit(i: number): void {
    if (!this.#isDigit && i > this.#start) {
      this.#isCombination = true
      if (this.#list.length > 0) this.#open()
    }
    this.#isDigit = true
  }

  #letter(version: string, i: number): void {
    if (this.#isDigit && i > this.#start) {
      this.#add(version.slice(this.#start, i), true)
      this.#start = i
      this.#open()
      this.#isCombination = false
    }
    this.#isDigit = false
  }

  #open(): void {
    const items: Item[] = []
    this.#list.push({ type: 'list', items })
    this.#lists.push(items)
    this.#list = items
  }

  #add(text: string, isDigits = this.#isDigit): void {
    this.#list.push(
      text === '' ? { type: 'number', digits: '' } : itemOf(text, isDigits, this.#isCombination),
    )
  }
}

function itemOf(text: string, isDigits: boolean, isCombination: boolean): Item {
  if (isCombination) {
    const whole = text.replaceAll('-', '')
    const at = whole.search(/\d/)
    const letters = whole.slice(0, at)
    return { type: 'text', text: aliasOf(SHORT[letters] ?? letters), digits: whole.slice(at) }
  }
  if (isDigits) return { type: 'number', digits: withoutLeadingZeros(text) }
  return { type: 'text', text: aliasOf(text), digits: null }
}

function aliasOf(text: string): string {
  return text === 'cr' ? 'rc' : text
}

/** Removes what says nothing (0, the empty qualifier) at the end, and before a qualifier. */
function normalize(list: Item[]): void {
  for (let i = list.length - 1; i >= 0; i--) {
    if (!isNothing(list[i])) continue
    const next = list[i + 1]
    const isBeforeText =
      next?.type === 'list' ? next.items[0]?.type === 'text' : next?.type === 'text' && next.digits === null
    if (next === undefined || isBeforeText) list.splice(i, 1)
  }
}

function isNothing(item: Item | undefined): boolean {
  if (item?.type === 'number') return item.digits === ''
  if (item?.type === 'text') return item.text === '' && item.digits === null
  return item?.type === 'list' && item.items.length === 0
}

/** Of kinds that differ: which of them comes first. */
const RANK = { text: 0, list: 1, number: 2 } as const

function compareItems(a: Item, b: Item): Comparison {
  if (a.type === 'list' && b.type === 'list') return compareLists(a.items, b.items)
  if (a.type === 'number' && b.type === 'number') return compareDigits(a.digits, b.digits)
  if (a.type === 'text' && b.type === 'text') {
    const difference = compareText(keyOf(a.text), keyOf(b.text))
    if (difference !== 0) return difference
    // Of the same qualifier one with a number comes after one without.
    if (a.digits === null || b.digits === null) return Number(a.digits !== null) - Number(b.digits !== null)
    return compareDigits(a.digits, b.digits)
  }
  return RANK[a.type] - RANK[b.type]
}

function compareLists(a: readonly Item[], b: readonly Item[]): Comparison {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [left, right] = [a[i], b[i]]
    if (left !== undefined && right !== undefined) {
      const difference = compareItems(left, right)
      if (difference !== 0) return difference
    } else {
      const difference = left === undefined ? -weightOf(right) : weightOf(left)
      if (difference !== 0) return difference
    }
  }
  return 0
}

/** What the item is to nothing at all. */
function weightOf(item: Item | undefined): Comparison {
  if (item === undefined) return 0
  if (item.type === 'number') return item.digits === '' ? 0 : 1
  if (item.type === 'list') return item.items.map(weightOf).find((weight) => weight !== 0) ?? 0
  return compareText(keyOf(item.text), RELEASE_KEY)
}

function keyOf(text: string): string {
  if (RELEASE.has(text)) return RELEASE_KEY
  const place = QUALIFIERS.indexOf(text)
  return place === -1 ? `${QUALIFIERS.length}-${text}` : String(place)
}

function isDigit(char: string): boolean {
  return char >= '0' && char <= '9'
}
