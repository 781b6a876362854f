import fc from 'fast-check'
import t from 'tap'
import { Brim } from './brim.ts'

t.test('full is told from 95 % on, and until it is below 90 %', async (t) => {
  const told: unknown[] = []
  const brim = new Brim((name, isFull, fill) => told.push([name, isFull, fill]))
  for (const fill of [0, 0.94, 0.95, 0.96, 0.9, 0.95]) brim.look('acme', fill)
  t.same([...brim.full], ['acme'])
  brim.look('globex', 0.94)
  brim.look('acme', 0.89)
  brim.look('acme', 0.94)
  t.same([...brim.full], [])
  t.same(told, [
    ['acme', true, 0.95],
    ['acme', false, 0.89],
  ])
})

t.test('however it fills and empties, what is told comes and goes in turn', async () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 2, noNaN: true })), (fills) => {
      let isFull = false
      const brim = new Brim((_name, isNow) => {
        if (isNow === isFull) throw new Error('told twice')
        isFull = isNow
      })
      for (const fill of fills) {
        brim.look('acme', fill)
        if (fill >= 0.95 && !isFull) return false
        if (fill < 0.9 && isFull) return false
        if (brim.full.has('acme') !== isFull) return false
      }
      return true
    }),
  )
})
