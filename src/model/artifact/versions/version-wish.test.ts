import fc from 'fast-check'
import t from 'tap'
import { QueryError } from '../query-error.ts'
import { matchesGlob } from './glob.ts'
import { readVersionWish } from './version-wish.ts'

const MARKS = { true: '', false: '!', null: '?' } as const

/** Versions with `!` before those that are not meant, and `?` before those of which that cannot be told. */
function meant(type: string, wish: string, versions: string): void {
  t.test(`${type} ${wish}`, (t) => {
    const test = readVersionWish(type, wish, 0)
    const told = versions.split(' ').map((each) => {
      const version = each.replace(/^[!?]/, '')
      return `${MARKS[`${test.matches(version)}`]}${version}`
    })
    t.equal(told.join(' '), versions)
    t.end()
  })
}

meant('npm', '1.3.0', '1.3.0 v1.3.0 1.3.0+build !1.3.1 !1.3.0-beta !latest')
meant('npm', '7', '7.0.0 7.24.1 7.1.0-rc.1 !8.0.0 !8.0.0-rc.1 ?latest')
meant('npm', '1.2.x', '1.2.0 1.2.9 !1.3.0')
meant('npm', 'latest', 'latest !1.0.0')
meant('npm', '>=1.2 <2', '1.2.0 1.9.9 1.5.0-beta.1 !2.0.0 !2.0.0-rc.1 !1.1.9 ?next')
meant('npm', '^1.2 || >=3 <4', '1.2.0 1.9.0 !2.0.0 3.5.0 !4.0.0')
meant('npm', '1.2.3 - 1.4', '1.2.3 1.4.9 !1.5.0 !1.2.2')
meant('npm', 'vers:npm/>=1.2.0|<2.0.0', '1.2.0 1.9.9 !2.0.0 !1.1.0')
meant(
  'npm',
  'vers:npm/1.2.3|>=2.0.0|!=2.1.0|<3.0.0|>=5',
  '1.2.3 2.0.0 !2.1.0 2.2.0 !3.0.0 !4.0.0 5.0.0 9.0.0',
)
meant('npm', 'vers:npm/*', '1.0.0 0.0.1-a ?main')
meant('npm', 'vers:npm/!=1.0.0', '!1.0.0 1.0.1')
meant('npm', 'vers:npm/<1.0.0|>=2.0.0|<=2.5', '0.9.0 !1.0.0 2.5.0 !2.5.1')
meant('npm', '[1.0,2.0)', '1.0.0 1.9.0 !2.0.0')
meant('cargo', '>=1.2, <2', '1.2.0 1.99.0 !2.0.0')
meant('cargo', '111.28.1', '111.28.1+1.1.1w 111.28.1 !111.28.0')
meant('cargo', '111.28.1+1.1.1w', '111.28.1+1.1.1w !111.28.1+1.1.1x !111.28.1')
meant('golang', '1.8.1', 'v1.8.1 1.8.1 !v1.8.0')
meant('golang', 'v2.2.0', 'v2.2.0+incompatible')
meant('golang', '<v1.0.0', 'v0.0.0-20191109021931-daa7c04131f5 v0.9.0 !v1.0.0')
meant('helm', '1.2', '1.2.0 1.2 1.2.3 !1.3.0')
meant('maven', '1.0', '1.0 !1.0.0 !1')
meant('maven', '>=2.0-beta9, <2.17', '2.0 2.14.1 2.17-rc1 !2.17.0 !2.17.1 !2.0-beta8')
meant('maven', '[2.0,2.17)', '2.0 2.14.1 !2.17.0')
meant('maven', '(,1.0],[1.2,)', '0.9 1.0 !1.1 1.2 5')
meant('maven', '[1.5]', '1.5 1.5.0 !1.6')
meant('maven', 'vers:maven/>=2.0|<2.17.0', '2.14.1 !2.17.0')
meant('deb', '7.88.1-10', '7.88.1-10 0:7.88.1-10 !7.88.1-10+deb12u1')
meant('deb', '1:7.88.1-10', '7.88.1-10 1:7.88.1-10 !2:7.88.1-10')
meant('deb', '<< 7.88.1-10+deb12u5', '7.88.1-10+deb12u4 7.88.1-10~bpo1 !7.88.1-10+deb12u5')
meant('deb', '<1:2.0', '1.9-1 1:1.9-1 !2.0 !1:2.0 !2:1.0')
meant('deb', 'vers:deb/>=1%3A1.0|<1%3A2.0', '1.5 1:1.5 !2:1.5')
meant('deb', '7.88.1-*', '7.88.1-10 7.88.1-10+deb12u5 !7.88.2-1')
meant('pypi', '1.0', '1.0 1.0.0 1 v1.0 1.0+cpu !1.0.post1')
meant('pypi', '1.0+cpu', '1.0+cpu 1.0.0+cpu !1.0')
meant('pypi', '>=1.26,<1.26.18', '1.26 1.26.17 1.26.18rc1 !1.26.18 ?unknown')
meant('pypi', '~=1.4.2', '1.4.2 1.4.9 !1.5 !1.4.1')
meant('pypi', '==1.*', '1.0 1.9.1 !2.0')
meant('pypi', '>=1, !=1.5', '1.4 !1.5 !1.5.0 1.6')
meant('gem', '~> 1.2', '1.2 1.9.9 !2.0 !1.1')
meant('gem', '1.15.4', '1.15.4 1.15.4.0 !1.15.5')
meant('nuget', '[13.0.1,13.0.3)', '13.0.1 13.0.2 !13.0.3')
meant('nuget', '1.0', '1.0.0 1.0.0.0 !1.0.1')
meant('generic', '28.2.0', '28.2.0 v28.2.0 V28.2.0 !28.2.1')
meant('generic', '28.*', '28.2.0 v28.1 !29.0')
meant('git', 'main', 'main !mainline')

t.test('what cannot be read is told with its place', (t) => {
  const rows: [type: string, wish: string, position: number, expected: RegExp][] = [
    ['npm', '>=1.2 <nope', 7, /a range of versions/],
    ['npm', '>>1', 1, /a range/],
    ['pypi', '>=1.2, <', 8, /a comparison/],
    ['pypi', '>=1.2 foo', 7, /a version as pypi/],
    ['pypi', '>=1.*', 3, /a version without \*/],
    ['maven', '[1.0;2.0)', 1, /an interval/],
    ['maven', '[1.0', 1, /an interval/],
    ['maven', '[ ]', 2, /a version/],
    ['generic', '>=1.0', 1, /no order/],
    ['oci', '^1', 1, /oci packages have no order/],
    ['npm', 'vers:pypi/>=1', 6, /npm, which is/],
    ['npm', 'vers:npm/>=1|', 14, /a version/],
    ['npm', 'vers:npm/>=1|<nope', 15, /a version as npm/],
    ['npm', 'vers:npm/>=1%2', 13, /hexadecimal/],
    ['npm', `>=${'1'.repeat(300)}`, 1, /a range/],
  ]
  for (const [type, wish, position, expected] of rows) {
    const error = t.throws(() => readVersionWish(type, wish, 0), QueryError, `${type} ${wish}`)
    t.match(error, { position, expected }, `${type} ${wish}`)
  }
  t.throws(() => readVersionWish('npm', 'vers:npm/>=1|', 20), /at character 34/)
  t.end()
})

t.test('a pattern is what a regular expression would make of it', (t) => {
  const word = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 8 }).map((chars) => chars.join(''))
  fc.assert(
    fc.property(word, word, (pattern, text) => {
      const plain = text.replaceAll('*', 'c')
      return matchesGlob(pattern, plain) === new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(plain)
    }),
  )
  t.end()
})

t.test('whatever is asked is read or refused with a place, and no version throws', (t) => {
  const piece = fc.constantFrom(
    ...'< > = ! ^ ~ * | || , [ ] ( ) 1 2.0 1.2.3 -rc.1 vers: npm/ % %3A : v x'.split(' '),
    ' ',
  )
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  )
  const type = fc.constantFrom('npm', 'golang', 'maven', 'deb', 'pypi', 'gem', 'nuget', 'generic', 'oci')
  fc.assert(
    fc.property(type, text, text, (type, wish, version) => {
      try {
        readVersionWish(type, wish, 0).matches(version)
      } catch (error) {
        if (!(error instanceof QueryError)) throw error
        return error.position >= 1 && error.position <= wish.length + 1
      }
      return true
    }),
    { numRuns: 2000 },
  )
  t.end()
})
