import fc from 'fast-check'
import t from 'tap'
import { RetryBudget } from './retry-budget.ts'

t.test('retries are a part of the requests, and some however few these are', async (t) => {
  const budget = new RetryBudget(0.2, 0.1)
  t.equal(budget.withdraw(0), true, 'one in ten seconds')
  t.equal(budget.withdraw(0), false)
  for (let i = 0; i < 10; i++) budget.deposit(1)
  t.equal(budget.withdraw(1), true)
  t.equal(budget.withdraw(1), true)
  t.equal(budget.withdraw(1), false)
  t.equal(budget.withdraw(12_000), true, 'what is old is forgotten')
})

t.test('however requests come, no more are sent again than the budget has', async () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 400 }), (isRequest) => {
      const budget = new RetryBudget(0.2, 0.3)
      let requests = 0
      let retries = 0
      for (const one of isRequest) {
        if (one) {
          budget.deposit(5)
          requests++
        } else if (budget.withdraw(5)) retries++
        if (retries > 0.2 * requests + 3) return false
      }
      return true
    }),
  )
})
