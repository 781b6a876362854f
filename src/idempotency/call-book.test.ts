import t from 'tap'
import type { CallStore, Claimed, HeldCall, KnownCall } from '../model/idempotency/kept-calls.ts'
import { FakeClock } from '../test/clock.ts'
import { PostgresCallBook } from './call-book.ts'
import { KeptShare } from './kept-share.ts'

const CALL = { tenant: 'acme', route: 'api', key: 'k', fingerprint: Buffer.alloc(32) }
const ANSWER = { status: 201, fields: [], body: Buffer.from('done') }
const LONG_MS = 60_000

type First = Awaited<ReturnType<CallStore['claim']>>

/** A store that is told what to answer, and tells what it was asked. */
class Scripted implements CallStore {
  readonly asked: string[] = []
  finds: KnownCall | null = null
  claims: () => Promise<First> = () => Promise.resolve({ kind: 'first' })
  keeps: () => Promise<boolean> = () => Promise.resolve(true)

  claim(): Promise<First> {
    this.asked.push('claim')
    return this.claims()
  }

  keep(_call: unknown, _claim: string, answer: unknown): Promise<boolean> {
    this.asked.push(answer === null ? 'keep nothing' : 'keep')
    return this.keeps()
  }

  async release(): Promise<void> {
    this.asked.push('release')
  }

  async find(): Promise<KnownCall | null> {
    this.asked.push('find')
    return this.finds
  }

  async usage(): Promise<[]> {
    return []
  }

  async renew(claims: readonly string[]): Promise<void> {
    this.asked.push(`renew ${claims.length}`)
  }
}

function scene() {
  const store = new Scripted()
  const clock = new FakeClock()
  const failures: unknown[] = []
  const share = new KeptShare({ keys: 10, bytes: 1000 })
  const book = new PostgresCallBook({ store, clock, share, onFailure: (error) => failures.push(error) })
  return { store, clock, failures, share, book }
}

function heldOf(claimed: Claimed): HeldCall {
  if (claimed.kind !== 'first') throw new Error(`it is ${claimed.kind}`)
  return claimed.held
}

t.test('a call is the first until it is kept or let go of, once', async (t) => {
  const { store, book } = scene()
  const one = heldOf(await book.claim(CALL))
  const other = heldOf(await book.claim(CALL))
  await book.renew()
  await one.keep(ANSWER, LONG_MS)
  await one.release()
  await other.release()
  await other.keep(ANSWER, LONG_MS)
  await heldOf(await book.claim(CALL)).keep(null, LONG_MS)
  await book.renew()
  t.same(store.asked, ['claim', 'claim', 'renew 2', 'keep', 'release', 'claim', 'keep nothing'])
  t.match(book.stats, { results: { first: 3 }, ends: { kept: 1, released: 1, too_large: 1 }, underWay: 0 })
})

t.test('what is known is told and counted', async (t) => {
  const { store, book } = scene()
  store.claims = () => Promise.resolve({ kind: 'answered', answer: ANSWER })
  t.same(await book.claim(CALL), { kind: 'answered', answer: ANSWER })
  for (const kind of ['under_way', 'other', 'unkept'] as const) {
    store.claims = () => Promise.resolve({ kind })
    t.same(await book.claim(CALL), { kind })
  }
  t.match(book.stats.results, { first: 0, replayed: 1, in_use: 1, reused: 1, unkept: 1, unknown: 0 })
})

t.test('while the database fails one call at a time asks it, and the others are told at once', async (t) => {
  const { store, book, failures } = scene()
  store.claims = () => Promise.reject(new Error('away'))
  t.same(await book.claim(CALL), { kind: 'unknown' })
  t.equal(failures.length, 1)
  let fail = (_error: Error): void => {}
  store.claims = () => new Promise((_resolve, reject) => (fail = reject))
  const asks = book.claim(CALL)
  for (let i = 0; i < 5; i++) t.same(await book.claim(CALL), { kind: 'unknown' })
  t.equal(store.asked.length, 2)
  fail(new Error('still away'))
  t.same(await asks, { kind: 'unknown' })
  store.claims = () => Promise.resolve({ kind: 'first' })
  t.equal((await book.claim(CALL)).kind, 'first')
  t.equal((await book.claim(CALL)).kind, 'first', 'it is back')
})

t.test('a claim that comes too late is let go of', async (t) => {
  const { store, book, clock } = scene()
  let come = (_known: First): void => {}
  store.claims = () => new Promise((resolve) => (come = resolve))
  const claimed = book.claim(CALL)
  await clock.advance(5000)
  t.same(await claimed, { kind: 'unknown' })
  come({ kind: 'first' })
  await clock.advance(0)
  t.same(store.asked, ['claim', 'release'])
  t.equal(book.stats.underWay, 0)
})

t.test('an answer that is not kept in time, or not at all, is not waited for', async (t) => {
  const { store, book, clock, failures } = scene()
  const slow = heldOf(await book.claim(CALL))
  store.keeps = () => new Promise(() => {})
  const kept = slow.keep(ANSWER, LONG_MS)
  await clock.advance(2000)
  await kept
  store.keeps = () => Promise.reject(new Error('away'))
  await heldOf(await book.claim(CALL)).keep(ANSWER, LONG_MS)
  t.equal(failures.length, 1)
  store.keeps = () => Promise.resolve(false)
  await heldOf(await book.claim(CALL)).keep(ANSWER, LONG_MS)
  t.match(book.stats.ends, { kept: 0, failed: 2 })
})

t.test('while the database takes no answers, a bounded number of bytes waits for it', async (t) => {
  const { store, book, clock } = scene()
  const body = Buffer.alloc(1024 * 1024)
  const takes: ((isKept: boolean) => void)[] = []
  store.keeps = () => new Promise((resolve) => takes.push(resolve))
  const ends = []
  for (let i = 0; i < 70; i++)
    ends.push(heldOf(await book.claim({ ...CALL, tenant: `t${i}` })).keep({ ...ANSWER, body }, LONG_MS))
  await clock.advance(2000)
  await Promise.all(ends)
  const asked = (what: string): number => store.asked.filter((each) => each === what).length
  t.equal(asked('keep'), 64)
  t.equal(asked('keep nothing'), 6, 'of the others it is kept that there was one')
  for (const take of takes) take(true)
  await clock.advance(0)
  store.keeps = () => Promise.resolve(true)
  await heldOf(await book.claim(CALL)).keep({ ...ANSWER, body }, LONG_MS)
  t.equal(asked('keep'), 65, 'what it has taken makes room')
  t.match(book.stats.ends, { kept: 65, too_large: 6, failed: 0 })
})

t.test('a book that stops waits for what it tells the database, and claims no more', async (t) => {
  const { store, book, clock } = scene()
  const held = heldOf(await book.claim(CALL))
  let keep = (_isKept: boolean): void => {}
  store.keeps = () => new Promise((resolve) => (keep = resolve))
  const ended = held.keep(ANSWER, LONG_MS)
  const stopped = book.stop(1000)
  t.same(await book.claim(CALL), { kind: 'unknown' })
  keep(true)
  await Promise.all([ended, stopped])
  t.equal(clock.timers, 0)
  t.equal(book.stats.ends.kept, 1)
})

t.test('of a tenant that has as much as it may, what is known is told and nothing is claimed', async (t) => {
  const { store, book, share } = scene()
  share.set([{ tenant: 'acme', keys: 9, bytes: 0 }])
  await heldOf(await book.claim(CALL)).keep(ANSWER, LONG_MS)
  t.same(await book.claim(CALL), { kind: 'full' })
  store.finds = { kind: 'answered', answer: ANSWER }
  t.same(await book.claim(CALL), { kind: 'answered', answer: ANSWER })
  t.equal((await book.claim({ ...CALL, tenant: 'other' })).kind, 'first')
  t.same(store.asked, ['claim', 'keep', 'find', 'find', 'claim'])
  t.match(book.stats.results, { first: 2, full: 1, replayed: 1 })
})
