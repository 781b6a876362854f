import fc from 'fast-check'
import t from 'tap'
import { debianOrder } from './debian-order.ts'
import { mavenOrder } from './maven-order.ts'
import { nugetOrder } from './nuget-order.ts'
import type { VersionOrder } from './order.ts'
import { pep440Order } from './pep440-order.ts'
import { rubygemsOrder } from './rubygems-order.ts'
import { semverOrder } from './semver-order.ts'

/** Words, each of which comes before those after it; `=` joins those that are the same version. */
function inOrder(name: string, order: VersionOrder, ...rows: string[]): void {
  t.test(`${name}: every version comes after those before it`, (t) => {
    for (const row of rows) {
      const words = row.split(' ')
      for (const [i, left] of words.entries()) {
        for (const [j, right] of words.entries()) {
          for (const a of left.split('=')) {
            for (const b of right.split('='))
              t.equal(Math.sign(order.compare(a, b) ?? Number.NaN), Math.sign(i - j), `${a} and ${b}`)
          }
        }
      }
    }
    t.end()
  })
}

inOrder(
  'semantic versions (semver.org, §11)',
  semverOrder,
  '1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0=v1.0.0=1.0.0+build=1=1.0 2.0.0 2.1.0 2.1.1',
  'v0.0.0-20191109021931-daa7c04131f5 v1.9.0 v2.0.0=v2.0.0+incompatible=2.0.0',
)
inOrder(
  'Debian (deb-version(7))',
  debianOrder,
  '~~ ~~a ~ 0=0-0=0:0-0 a',
  '1.0~beta1~svn1245 1.0~beta1 1.0=1.0-0=0:1.0=1.00 1.0-1 1.0a1 1.0+b1 1.1 1.2 1.10 1:0.5',
  '7.88.1-10 7.88.1-10+deb12u1 7.88.1-10+deb12u5 7.88.1-11',
  '1.2.3-1 1.2.3-1+b1 1.2.3-1.1 1.2.3-2 1.2.3a-1 1.2.3+1-1',
)
inOrder(
  'Python (PEP 440)',
  pep440Order,
  '1.0.dev456=1.0dev456 1.0a1=1.0alpha1=1.0-a.1 1.0a2.dev456 1.0a12.dev456 1.0a12 1.0b1.dev456 1.0b2 1.0b2.post345.dev456 1.0b2.post345 1.0rc1.dev456 1.0rc1=1.0c1=1.0.pre1=1.0-preview_1 1.0=1=v1.0.0 1.0+abc.5 1.0+abc.7 1.0+5 1.0.post456.dev34 1.0.post456=1.0-456=1.0r456 1.0.15 1.1.dev1 1!0.1',
  '0.9 0.9.1 0.9.2 0.9.10 0.9.11 1.0 1.0.1 1.1 2.0 2012.4 2012.7 2013.1 1!1.0 1!2.0',
)
inOrder(
  'RubyGems (Gem::Version)',
  rubygemsOrder,
  '0.9 1.0.a.1=1.a.1 1.0.a.2 1.0.a10 1.0.b1 1.0.pre.1=1.0-1 1.0=1=1.0.0 1.0.1.rc1 1.0.1 1.1.a 1.1 1.3.9 1.3.10 2',
)
inOrder(
  'NuGet (package versioning)',
  nugetOrder,
  '1.0.0-alpha 1.0.0-alpha.1=1.0.0-ALPHA.1+x 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc 1.0.0=1=1.0=1.0.0.0=1.00+meta 1.0.0.1-pre 1.0.0.1 1.0.1 1.0.10',
)
inOrder(
  'Maven (ComparableVersionTest)',
  mavenOrder,
  '1-alpha2snapshot 1-alpha2 1-alpha-123 1-beta-2 1-beta123 1-m2 1-m11 1-rc=1-cr 1-cr2 1-rc123 1-SNAPSHOT 1 1-sp 1-sp2 1-sp123 1-abc 1-def 1-pom-1 1-1-snapshot 1-1 1-2 1-123',
  '2.0 2.0.a 2-1 2.0.2 2.0.123 2.1.0 2.1-a 2.1b 2.1-c 2.1-1 2.1.0.1 2.2 2.123 11.a2 11.a11 11.b2 11.b11 11.m2 11.m11 11 11.a 11b 11c 11m',
  '1=1.0=1.0.0=1-0=1.0-0=1ga=1release=1final=1-GA=1.ga 1.1 1.5 2 2.5',
  '1a=1-a=1.0-a=1.0.0-a=1.a 1x=1-x=1.0x=1.0.0-x=1.0.0x 1.0x1=1-x1=1.0.0x1',
  '1a1=1-alpha-1=1-a1 1b2=1-beta-2=1-b2 1m3=1-milestone-3=1-m3 1cr=1rc 1X 1-1',
  '1.0-alpha-1-SNAPSHOT 1.0-alpha-1 1.0-alpha-2 1.0-beta-1 1.0-SNAPSHOT 1.0 1.0-1 1.0-2 1.0.1',
  '2.0-1 2.0.1 2.0.1-klm 2.0.1-lmn 2.0.1-xyz 2.0.1-123',
  '6.1.0rc3 6.1.0 6.1H.5-beta',
  '20190126.230843 1234567890.12345 123456789012345.1 123456789012345.1H.5-beta 12345678901234567890.1H.5-beta',
  '1-0.alpha 1-0.beta 1=1-0.ga',
  '1.0.0.RC1 1.0.0-RC2 1.0.0-SNAPSHOT 1.0.0.Final 1.0.0-1',
)

t.test('numbers may be longer than any number type', (t) => {
  const [small, big] = [`1.${'9'.repeat(60)}`, `1.1${'0'.repeat(60)}`]
  for (const order of [debianOrder, mavenOrder, pep440Order, rubygemsOrder, nugetOrder])
    t.ok((order.compare(small, big) ?? 0) < 0)
  t.end()
})

t.test('what is no version of an ecosystem is not compared', (t) => {
  t.equal(semverOrder.compare('latest', '1.0.0'), null)
  t.equal(semverOrder.compare('1.0.0', '1.2.3.4'), null)
  t.equal(debianOrder.compare('1.0 1', '1.0'), null)
  t.equal(debianOrder.compare('1_0', '1.0'), null)
  t.equal(pep440Order.compare('1.0-final', '1.0'), null)
  t.equal(rubygemsOrder.compare('main', '1.0'), null)
  t.equal(nugetOrder.compare('1.2.3.4.5', '1.0'), null)
  t.equal(mavenOrder.compare('1 0', '1.0'), null)
  t.equal(mavenOrder.compare('1'.repeat(257), '1.0'), null)
  t.end()
})

const ORDERS = { semverOrder, debianOrder, mavenOrder, pep440Order, rubygemsOrder, nugetOrder }
const PIECES = '0 1 2 10 00 . . - + ~ _ : ! a b rc1 alpha beta dev post final sp snapshot x v'.split(' ')
const version = fc
  .tuple(
    fc.constantFrom('1', '2.0', '1.0.0', 'v1', ''),
    fc.array(fc.constantFrom(...PIECES), { maxLength: 8 }),
  )
  .map(([head, rest]) => head + rest.join(''))

/** Maven's own comparison goes in circles for what nobody writes (`1.+.`, `1a0`, `1`): only what has the form of a version is sorted. */
const mavenVersion = fc
  .tuple(
    fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 4 }),
    fc.constantFrom(
      '',
      '-alpha',
      '-beta-2',
      '-rc1',
      '-milestone-3',
      '-SNAPSHOT',
      '-sp',
      '-sp-1',
      '-jre',
      '-7',
    ),
  )
  .map(([numbers, qualifier]) => numbers.join('.') + qualifier)

for (const [name, order] of Object.entries(ORDERS)) {
  t.test(`${name}: versions are the same from either side, and no text throws`, (t) => {
    fc.assert(
      fc.property(fc.oneof(version, fc.string()), fc.oneof(version, fc.string()), (a, b) => {
        const [there, back] = [order.compare(a, b), order.compare(b, a)]
        if (there === null || back === null) return there === back
        return Math.sign(there) === -Math.sign(back) && order.compare(a, a) === 0
      }),
    )
    t.end()
  })

  t.test(`${name}: sorted versions stay sorted`, (t) => {
    fc.assert(
      fc.property(fc.array(order === mavenOrder ? mavenVersion : version, { maxLength: 6 }), (versions) => {
        const known = versions.filter((each) => order.compare(each, each) !== null)
        const sorted = known.toSorted((a, b) => order.compare(a, b) ?? 0)
        return sorted.every((a, i) => sorted.slice(i).every((b) => (order.compare(a, b) ?? 0) <= 0))
      }),
    )
    t.end()
  })
}

t.test('the longest and worst versions are compared', (t) => {
  const worst = ['1-', '1.', 'a1', '--', '1_', '99'].map((piece) => piece.repeat(128))
  for (const order of Object.values(ORDERS))
    for (const a of worst) for (const b of worst) t.not(order.compare(a, b), undefined)
  t.end()
})
