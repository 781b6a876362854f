import t from 'tap'
import { otherBuildOf } from '../harness/other-build.ts'
import type { Result } from '../harness/result.ts'
import { buildComparison } from './build-comparison.ts'
import { printed } from './files.ts'
import { cpuCell, resultOf } from './test-result.ts'

const OTHER = otherBuildOf('waybill')

/** A round for each pair: CPU per request of this build and of the other. */
function against(...rounds: readonly (readonly [number, number])[]): Result {
  const cells = rounds.flatMap(([own, other], i) => [
    cpuCell(OTHER, other, i + 1),
    cpuCell('waybill', own, i + 1),
  ])
  return resultOf(cells, { commit: 'new', against: 'old' })
}

/** The row of the whole CPU per request. */
function cpuRow(result: Result): readonly string[] {
  return buildComparison(result)?.rows.find(([, name]) => name === 'CPU µs') ?? []
}

t.test('a ratio is formed within each round, with its spread', async (t) => {
  // The machine becomes three times as slow, for both: the medians of each side alone would say 60 / 40.
  const result = against([20, 40], [60, 120], [60, 40], [22, 40], [20, 40], [60, 100], [66, 120])
  t.strictSame(cpuRow(result), [
    '1k, waybill',
    'CPU µs',
    '40.0',
    '60.0',
    '0.550',
    '0.500 to 1.500',
    '0.500 to 1.500',
    '7',
    '6',
    'none shown',
  ])
})

t.test('the interval decides, and too few rounds decide nothing', async (t) => {
  const rounds = (pair: readonly [number, number], count: number): (readonly [number, number])[] =>
    Array.from({ length: count }, () => pair)
  t.equal(cpuRow(against(...rounds([44, 40], 6))).at(-1), 'higher')
  t.equal(cpuRow(against(...rounds([36, 40], 6))).at(-1), 'lower')
  t.equal(cpuRow(against(...rounds([36, 40], 5))).at(-1), 'too few rounds')
})

t.test('a report has the two builds where two took part', async (t) => {
  t.match(printed(against([30, 30])), /This build, new, ÷ other, old/)
  t.notMatch(printed(resultOf([cpuCell('waybill', 30)])), /other/)
  t.equal(
    buildComparison(resultOf([cpuCell('nginx', 10)], { against: 'old' })),
    null,
    'no Waybill was chosen',
  )
})
