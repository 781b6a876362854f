import t from 'tap'
import { KeyUses, KeyUseWriter } from './key-uses.ts'
import { FakeClock } from '../test/clock.ts'

t.test('keeps the last use of each key, and the later one when a write is taken back', (t) => {
  const uses = new KeyUses()
  uses.note('a', 1)
  uses.note('a', 2)
  uses.note('b', 3)
  const taken = uses.take()
  t.same(
    taken,
    new Map([
      ['a', 2],
      ['b', 3],
    ]),
  )
  t.equal(uses.size, 0)
  uses.note('a', 5)
  uses.putBack(taken)
  t.same(
    uses.take(),
    new Map([
      ['a', 5],
      ['b', 3],
    ]),
  )
  t.end()
})

t.test('is bounded in keys', (t) => {
  const uses = new KeyUses()
  for (let i = 0; i < 250_010; i++) uses.note(`${i}`, i)
  uses.note('3', 9_000_000)
  t.equal(uses.size, 250_000)
  t.equal(uses.take().get('3'), 9_000_000)
  t.end()
})

t.test('writes once an interval, keeps what failed, and writes the rest on stop', async (t) => {
  const clock = new FakeClock()
  const written: ReadonlyMap<string, number>[] = []
  const failures: string[] = []
  let isBroken = true
  const writer = new KeyUseWriter({
    write: async (uses) => {
      if (isBroken) throw Object.assign(new Error('no'), { code: '57P01' })
      written.push(uses)
    },
    intervalMs: 1000,
    clock,
    random: () => 0,
    onFailure: (code) => failures.push(code),
  })
  writer.start()
  await clock.advance(1000)
  t.same([written, failures], [[], []], 'nothing used, nothing written')
  writer.uses.note('a', 1)
  await clock.advance(999)
  t.same(failures, [])
  await clock.advance(1)
  t.same(failures, ['57P01'])
  isBroken = false
  writer.uses.note('a', 2)
  writer.uses.note('b', 3)
  await clock.advance(1000)
  t.same(written, [
    new Map([
      ['a', 2],
      ['b', 3],
    ]),
  ])
  writer.uses.note('c', 4)
  await writer.stop()
  t.same(written[1], new Map([['c', 4]]))
  t.equal(clock.timers, 0, 'no timer is left')
})

t.test('a write that never ends holds neither the next nor stop, and its uses are kept', async (t) => {
  const clock = new FakeClock()
  const failures: string[] = []
  const writer = new KeyUseWriter({
    write: () => new Promise(() => {}),
    intervalMs: 1000,
    clock,
    random: () => 0,
    onFailure: (code) => failures.push(code),
  })
  writer.start()
  writer.uses.note('a', 1)
  await clock.advance(1000)
  await clock.advance(10_000)
  t.same(failures, ['ETIMEDOUT'])
  t.equal(writer.uses.size, 1)
  await clock.advance(1000)
  const stopped = writer.stop()
  await clock.advance(2000)
  await stopped
  t.equal(writer.uses.size, 1)
  t.equal(clock.timers, 0)
})
