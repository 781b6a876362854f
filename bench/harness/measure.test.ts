import t from 'tap'
import { problemsOf } from './measure.ts'
import { cellOf } from './test-cell.ts'

t.test('a cell counts when load generator, upstream and log agree', async (t) => {
  t.strictSame(problemsOf(cellOf({})), [])
  t.strictSame(problemsOf(cellOf({ accounts: { stored: null } })), [], 'a candidate without a log')
})

t.test('a cell does not count when one of them disagrees', async (t) => {
  const cases = { answered: 99, refused: 1, upstream: 101, stored: 99, isSettled: false }
  for (const [name, value] of Object.entries(cases)) {
    t.equal(problemsOf(cellOf({ accounts: { [name]: value } })).length, 1, name)
  }
  t.equal(problemsOf(cellOf({ accounts: { stored: 101 } })).length, 1, 'an entry too many is as bad')
})
