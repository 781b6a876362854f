import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { TurnBudget } from './turn-budget.ts'

t.test('a turn has so much to spend, and those that wait go on one after the other', async (t) => {
  const budget = new TurnBudget()
  t.equal(budget.spend(100 * 1024), true)
  t.equal(budget.spend(100 * 1024), false)
  const order: string[] = []
  for (const name of ['a', 'b', 'c']) {
    budget.later(() => {
      order.push(name)
      budget.spend(name === 'b' ? 1 : 200 * 1024)
    })
  }
  t.same(order, [])
  await turn()
  t.same(order, ['a'])
  await turn()
  t.same(order, ['a', 'b', 'c'])
  await turn()
  t.equal(budget.spend(1), true)
})
