import t from 'tap'
import type { Result } from '../harness/result.ts'
import { cellOf } from '../harness/test-cell.ts'
import { comparison } from './comparison.ts'
import { printed } from './files.ts'
import { goalsOf } from './goals.ts'
import { cpuCell, resultOf } from './test-result.ts'

function verdictOf(result: Result, what: RegExp): string {
  return goalsOf(result).find((goal) => what.test(goal.what))?.verdict ?? 'no such goal'
}

t.test('a ratio is the median of the rounds’ own ratios', async (t) => {
  // The machine is three times as slow in round 2: medians of each side alone would say 33 / 50.
  const cells = [
    cpuCell('waybill', 30, 1),
    cpuCell('http-proxy', 60, 1),
    cpuCell('waybill', 90, 2),
    cpuCell('http-proxy', 180, 2),
    cpuCell('waybill', 33, 3),
    cpuCell('http-proxy', 44, 3),
  ]
  t.equal(goalsOf(resultOf(cells))[0]?.value, 0.5)
  t.equal(verdictOf(resultOf(cells), /http-proxy$/), 'met')
  t.equal(verdictOf(resultOf([cpuCell('waybill', 37), cpuCell('http-proxy', 60)]), /http-proxy$/), 'not met')
})

t.test('the naive form is compared with the database’s CPU time on both sides', async (t) => {
  const cells = [cpuCell('waybill', 34, 1, 6), cpuCell('naive-insert', 80, 1, 40)]
  t.equal(verdictOf(resultOf(cells), /INSERT per request/), 'met')
  t.equal(
    verdictOf(resultOf([...cells.slice(0, 1), cpuCell('naive-insert', 80, 1, 39)]), /INSERT/),
    'not met',
  )
})

t.test('what was not measured is neither met nor missed', async (t) => {
  for (const { verdict } of goalsOf(resultOf([]))) t.equal(verdict, 'not measured')
})

t.test('a run that does not count says so, and so does a comparison with it', async (t) => {
  const good = resultOf([cellOf({})])
  const bad = resultOf([cellOf({})], { problems: ['waybill, 1k: the log has 99 entries of 100 requests'] })
  t.match(printed(good), /each is in it once/)
  t.notMatch(printed(good), /does not count/)
  t.match(printed(bad), /does not count[^]*99 entries of 100/)
  t.match(comparison(good, bad), /after: .*DOES NOT COUNT/)
})

t.test('a comparison tells changes beyond the noise', async (t) => {
  const text = comparison(resultOf([cpuCell('waybill', 30)]), resultOf([cpuCell('waybill', 24)]))
  t.match(text, /waybill +30\.0 +24\.0 +-20 %/)
  t.match(comparison(resultOf([cpuCell('go', 30)]), resultOf([cpuCell('go', 30.6)])), /go +30\.0 +30\.6 +~/)
})

t.test('a machine that others use is told from a quiet one', async (t) => {
  t.notMatch(printed(resultOf([cellOf({ foreignShare: 0.04 })])), /not quiet/)
  t.match(printed(resultOf([cellOf({ foreignShare: 0.4 })])), /not quiet/)
})
