import fc from 'fast-check'
import t from 'tap'
import { Roster } from './roster.ts'

t.test('holds what was added and not taken out, whatever the order', async () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 200 }), (steps) => {
      const items = Array.from({ length: 10 }, (_, id) => ({ id, place: -1 }))
      const roster = new Roster<{ id: number; place: number }>()
      const expected = new Set<number>()
      for (const [isAdding, id] of steps) {
        const item = items[id]
        if (item === undefined) continue
        if (isAdding && !expected.has(id)) {
          roster.add(item)
          expected.add(id)
        } else if (!isAdding) {
          roster.delete(item)
          expected.delete(id)
        }
        const found = new Set([...roster].map((each) => each.id))
        const isRight = roster.size === expected.size && [...expected].every((each) => found.has(each))
        if (!isRight) throw new Error(`${[...found].join()} instead of ${[...expected].join()}`)
      }
    }),
  )
})

t.test('each one may be taken out while it is walked through', async (t) => {
  const roster = new Roster<{ place: number }>()
  for (let i = 0; i < 5; i++) roster.add({ place: -1 })
  let seen = 0
  for (const item of roster) {
    roster.delete(item)
    seen++
  }
  t.equal(seen, 5)
  t.equal(roster.size, 0)
})
