import fc from 'fast-check'
import t from 'tap'
import { didYouMean, editDistance, isSlipOf, nearestName } from './near-name.ts'

t.test('the distance counts letters more, less, other and swapped', (t) => {
  for (const [a, b, distance] of [
    ['', '', 0],
    ['npm', 'npm', 0],
    ['nmp', 'npm', 1],
    ['routs', 'routes', 1],
    ['acmee', 'acme', 1],
    ['files', 'piles', 1],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    // No letter is edited twice: not 2, as the unrestricted distance has it.
    ['ca', 'abc', 3],
  ] as const) {
    t.equal(editDistance(a, b), distance, `${a} ${b}`)
  }
  t.end()
})

t.test('the distance is symmetric, zero only between equals, and bounded by the lengths', (t) => {
  const word = fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'b', 'c') })
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b)
      return (
        distance === editDistance(b, a) &&
        (distance === 0) === (a === b) &&
        distance >= Math.abs(a.length - b.length) &&
        distance <= Math.max(a.length, b.length)
      )
    }),
  )
  t.end()
})

t.test('G8: what was meant is found, and nothing that is too far away', (t) => {
  t.equal(nearestName('nmp', ['files', 'npm', 'pypi']), 'npm')
  t.equal(nearestName('LOG_LEVL', ['LOG_LEVEL', 'LOG_FORMAT']), 'LOG_LEVEL')
  t.equal(nearestName('log.maxBacklogByte', ['log.maxBacklogBytes']), 'log.maxBacklogBytes')
  t.equal(nearestName('globex', ['acme', 'initech']), null)
  t.equal(nearestName('a', ['b', 'c']), null, 'one letter for another is another name')
  t.equal(nearestName('', ['a']), null)
  t.equal(nearestName('x'.repeat(101), ['x'.repeat(100)]), null, 'bounded')
  t.equal(didYouMean('nmp', ['npm']), '; did you mean "npm"?')
  t.equal(didYouMean('nmp', []), '')
  t.end()
})

t.test('G8: a slip is told from a sibling', (t) => {
  for (const [a, b] of [
    ['acmee', 'acme'],
    ['acem', 'acme'],
    ['team-payment', 'team-payments'],
    ['team-blue1', 'team-blu1'],
    ['teamblue', 'team-blue'],
  ] as const) {
    t.ok(isSlipOf(a, b), `${a} ${b}`)
    t.ok(isSlipOf(b, a), `${b} ${a}`)
  }
  for (const [a, b] of [
    ['team-1', 'team-2'],
    ['team1', 'team12'],
    ['team-a', 'team-b'],
    ['dev', 'def'],
    ['acme', 'acme'],
    ['acme', 'globex'],
    ['acme-eu', 'acme-us'],
    ['a', 'b'],
    ['t', 't1'],
  ] as const) {
    t.notOk(isSlipOf(a, b), `${a} ${b}`)
    t.notOk(isSlipOf(b, a), `${b} ${a}`)
  }
  t.end()
})
