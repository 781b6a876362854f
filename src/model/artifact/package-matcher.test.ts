import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { projectFolder } from '../../version.ts'
import { PackageMatcher } from './package-matcher.ts'
import { readPackageQuestion } from './package-question.ts'
import { encode, purlOf } from './purl.ts'
import { QueryError } from './query-error.ts'
import { isRecorded, type LoggedPackage } from './spelling.ts'

const TYPES = 'npm pypi maven oci cargo golang helm deb git generic nuget gem'.split(' ')

/** The package of a canonical package URL, read by the specification's words and nothing of ours. */
function packageOf(purl: string): LoggedPackage {
  const [, type = '', name = '', version = '', qualifiers = ''] =
    /^pkg:([a-z]+)\/([^@?]+)(?:@([^?]+))?(?:\?(.+))?$/.exec(purl) ?? []
  return { type, name: decodeURIComponent(name), version: decodeURIComponent(version), qualifiers }
}

const folder = join(projectFolder(), 'src/artifacts/corpus')
const corpus: LoggedPackage[] = []
const purls = new Set<string>()
for (const file of readdirSync(folder)) {
  for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
    const purl = line.startsWith('#') ? undefined : line.split('\t').find((cell) => cell.startsWith('pkg:'))
    if (purl !== undefined) purls.add(purl)
  }
}
for (const purl of purls) corpus.push(packageOf(purl))

t.test('every package URL of the corpus is read for what it says, and finds itself', (t) => {
  t.ok(purls.size > 300, `${purls.size} package URLs`)
  const wrong: string[] = []
  for (const [i, purl] of [...purls].entries()) {
    const found = corpus[i]
    if (found === undefined) continue
    const [reading] = readPackageQuestion(purl, TYPES)
    const isSame =
      reading?.name === found.name &&
      (reading.version?.text ?? '') === found.version &&
      [...reading.qualifiers].every(([key, value]) => found.qualifiers.includes(`${key}=${encode(value)}`))
    if (!isSame || new PackageMatcher(purl, null, TYPES).judge(found) !== 'meant') wrong.push(purl)
  }
  t.same(wrong, [])
  t.end()
})

t.test('no package URL of the corpus finds another package of its type by its version', (t) => {
  const wrong: string[] = []
  for (const [i, purl] of [...purls].entries()) {
    const self = corpus[i]
    if (self === undefined || self.version === '') continue
    const matcher = new PackageMatcher(purl, null, TYPES)
    for (const other of corpus) {
      if (matcher.judge(other) !== 'meant') continue
      if (
        other.type === self.type &&
        other.name.toLowerCase().replaceAll('_', '-') === self.name.toLowerCase().replaceAll('_', '-')
      )
        continue
      wrong.push(`${purl} finds ${purlOf(other.type, other)}`)
    }
  }
  t.same(wrong, [])
  t.end()
})

t.test('whatever qualifiers the corpus has are known to be recorded', (t) => {
  const keys = corpus.flatMap(({ type, qualifiers }) =>
    qualifiers === ''
      ? []
      : qualifiers.split('&').map((pair) => [type, pair.split('=', 1)[0] ?? ''] as const),
  )
  t.same(
    keys.filter(([type, key]) => !isRecorded(type, key)),
    [],
  )
  t.end()
})

/** What a question is to packages, which are given as package URLs: '' meant, `!` other, `~` of unknown version, `?` incomparable. */
function finds(question: string, ...rows: string[]): void {
  t.test(question, (t) => {
    const matcher = new PackageMatcher(question, null, TYPES)
    const marks = { meant: '', other: '!', unversioned: '~', incomparable: '?' }
    for (const row of rows) {
      const purl = row.replace(/^[!~?]/, '')
      t.equal(marks[matcher.judge(packageOf(purl))] + purl, row)
    }
    t.end()
  })
}

finds(
  'pkg:npm/left-pad@1.3.0',
  'pkg:npm/left-pad@1.3.0',
  '!pkg:npm/left-pad@1.3.1',
  '~pkg:npm/left-pad',
  '!pkg:npm/Left-Pad@1.3.0',
)
finds('PKG:NPM/left-pad', 'pkg:npm/left-pad@1.3.0', 'pkg:npm/left-pad', '!pkg:cargo/left-pad@1.3.0')
finds('pkg://npm//left-pad/', 'pkg:npm/left-pad')
for (const scope of ['%40babel', '@babel'])
  finds(`pkg:npm/${scope}/core`, 'pkg:npm/%40babel/core@7.1.0', '!pkg:npm/core@7.1.0', '!pkg:npm/babel/core')
finds('pkg:npm/@babel/core@7', 'pkg:npm/%40babel/core@7.24.0', '!pkg:npm/%40babel/core@8.0.0')
finds(
  'pkg:npm/left-pad@>=1.2 <2',
  'pkg:npm/left-pad@1.3.0',
  '!pkg:npm/left-pad@2.0.0',
  '?pkg:npm/left-pad@main',
)
finds('pkg:npm/left-pad@%3E%3D1.2%20%3C2', 'pkg:npm/left-pad@1.3.0', '!pkg:npm/left-pad@2.0.0')
finds('pkg:npm/left-pad@vers:npm/>=1.2.0|<2.0.0', 'pkg:npm/left-pad@1.3.0', '!pkg:npm/left-pad@2.0.0')
finds('pkg:npm/left-pad@1.3.0?vcs_url=git%2Bhttps://git.example/x#lib/a', 'pkg:npm/left-pad@1.3.0')
finds(
  'pkg:pypi/Zope.Interface@5.0',
  'pkg:pypi/zope-interface@5.0',
  'pkg:pypi/zope-interface@5.0.0',
  '!pkg:pypi/zope-interface@5.1',
)
finds('pkg:pypi/zope__interface', 'pkg:pypi/zope-interface')
finds('pkg:cargo/sha_1', 'pkg:cargo/sha-1@0.10.1', 'pkg:cargo/Sha-1')
finds(
  'pkg:golang/github.com/burntsushi/toml@1.3.2',
  'pkg:golang/github.com/BurntSushi/toml@v1.3.2',
  '!pkg:golang/github.com/BurntSushi/toml/v2@v1.3.2',
)
finds(
  'pkg:deb/curl@7.88.1-10+deb12u5',
  'pkg:deb/debian/curl@7.88.1-10%2Bdeb12u5?arch=amd64',
  '!pkg:deb/debian/libcurl@7.88.1-10%2Bdeb12u5?arch=amd64',
)
finds(
  'pkg:deb/debian/curl@0:7.88.1-10?arch=amd64&distro=bookworm',
  'pkg:deb/debian/curl@7.88.1-10?arch=amd64',
  '!pkg:deb/debian/curl@7.88.1-10?arch=arm64',
)
finds('pkg:deb/ubuntu/curl', '!pkg:deb/debian/curl@7.88.1-10?arch=amd64')
finds(
  'pkg:maven/org.apache.commons/commons-lang3@3.14.0',
  'pkg:maven/org.apache.commons/commons-lang3@3.14.0?type=pom',
  'pkg:maven/org.apache.commons/commons-lang3@3.14.0',
  '!pkg:maven/org.apache/commons-lang3@3.14.0',
)
finds(
  'pkg:maven/org.apache.commons/commons-lang3@3.14.0?type=jar',
  'pkg:maven/org.apache.commons/commons-lang3@3.14.0',
  '!pkg:maven/org.apache.commons/commons-lang3@3.14.0?type=pom',
  'pkg:maven/org.apache.commons/commons-lang3@3.14.0?classifier=sources',
)
finds(
  'pkg:maven/org.apache.commons/commons-lang3?classifier=sources',
  'pkg:maven/org.apache.commons/commons-lang3@1?classifier=sources',
  '!pkg:maven/org.apache.commons/commons-lang3@1',
  '~pkg:maven/org.apache.commons/commons-lang3',
)

const DEBIAN = 'repository_url=registry.example%2Flibrary%2Fdebian'
finds('pkg:oci/debian', `pkg:oci/debian?${DEBIAN}&tag=12`, `pkg:oci/debian@sha256:ab12?${DEBIAN}`)
finds(
  'pkg:oci/debian@sha256%3AAB12',
  `pkg:oci/debian@sha256:ab12?${DEBIAN}`,
  `~pkg:oci/debian?${DEBIAN}&tag=12`,
  `!pkg:oci/debian@sha256:cd?${DEBIAN}`,
)
finds(
  'pkg:oci/debian?tag=12',
  `pkg:oci/debian?${DEBIAN}&tag=12`,
  `!pkg:oci/debian?${DEBIAN}&tag=11`,
  `~pkg:oci/debian@sha256:ab12?${DEBIAN}`,
)
finds('pkg:oci/debian?repository_url=registry.example', `pkg:oci/debian?${DEBIAN}&tag=12`)
finds('pkg:oci/debian?repository_url=https://registry.example/library/debian', `pkg:oci/debian?${DEBIAN}`)
finds('pkg:oci/debian?repository_url=other.example', `!pkg:oci/debian?${DEBIAN}`)
finds(
  'pkg:docker/library/debian@12',
  `pkg:oci/debian?${DEBIAN}&tag=12`,
  `!pkg:oci/debian?repository_url=registry.example%2Facme%2Fdebian&tag=12`,
)
finds('library/debian:12', `pkg:oci/debian?${DEBIAN}&tag=12`, `!pkg:oci/debian?${DEBIAN}&tag=11`)
finds(
  'registry.example:5000/acme/web:v1',
  'pkg:oci/web?repository_url=registry.example:5000%2Facme%2Fweb&tag=v1',
)
finds('debian@sha256:ab12', `pkg:oci/debian@sha256:ab12?${DEBIAN}`)
finds(
  'left-pad',
  'pkg:npm/left-pad@1.3.0',
  'pkg:cargo/left_pad',
  'pkg:generic/left-pad@1',
  '!pkg:npm/%40x/left-pad',
)
finds('left-pad@1.3.0', 'pkg:npm/left-pad@1.3.0', 'pkg:generic/left-pad@v1.3.0', '!pkg:cargo/left-pad@1.3.1')
finds('left-pad@>=1.2 <2', 'pkg:npm/left-pad@1.3.0', '?pkg:generic/left-pad@1.3.0')
finds('left-pad@vers:npm/>=1.2|<2', 'pkg:npm/left-pad@1.3.0', '?pkg:cargo/left-pad@1.3.0')
finds('@babel/core', 'pkg:npm/%40babel/core@7.24.0', '!pkg:npm/core@7.24.0')
finds('@babel/core@7', 'pkg:npm/%40babel/core@7.24.0')
finds(
  'curl',
  'pkg:deb/debian/curl@7.88.1-10?arch=amd64',
  'pkg:generic/curl@8',
  'pkg:git/git.example/acme/curl',
  'pkg:golang/example.com/curl@v1.0.0',
)
finds('acme/shop', 'pkg:git/git.example/acme/shop', '!pkg:git/git.example/other/shop')
finds('Zope.Interface', 'pkg:pypi/zope-interface')
finds(
  'org.apache.commons:commons-lang3',
  'pkg:maven/org.apache.commons/commons-lang3@3.14.0',
  '!pkg:maven/org.apache/commons-lang3',
)
finds(
  'org.apache.commons:commons-lang3:3.14.0',
  'pkg:maven/org.apache.commons/commons-lang3@3.14.0',
  '!pkg:maven/org.apache.commons/commons-lang3@3.13.0',
)
finds('commons-lang3', 'pkg:maven/org.apache.commons/commons-lang3@3.14.0')
finds('pkg:git/git.example/acme/shop.git', 'pkg:git/git.example/acme/shop@main')
finds('pkg:gem/nokogiri@~> 1.15', 'pkg:gem/nokogiri@1.15.4', '!pkg:gem/nokogiri@2.0')

t.test('a range may stand apart', (t) => {
  const matcher = new PackageMatcher('pkg:npm/left-pad', 'vers:npm/>=1.2|<2', TYPES)
  t.equal(matcher.judge(packageOf('pkg:npm/left-pad@1.3.0')), 'meant')
  t.equal(matcher.judge(packageOf('pkg:npm/left-pad@2.0.0')), 'other')
  t.throws(
    () => new PackageMatcher('pkg:npm/left-pad@1', '<2', TYPES),
    /at character 17: expected no version beside/,
  )
  t.end()
})

t.test('qualifiers that are not recorded are told, and do not narrow', (t) => {
  t.same(new PackageMatcher('pkg:deb/curl?arch=amd64&distro=bookworm', null, TYPES).ignoredQualifiers, [
    'distro',
  ])
  t.end()
})

t.test('what cannot be read is told with its place and what was expected', (t) => {
  const rows: [question: string, message: RegExp][] = [
    ['', /^at character 1: expected a package URL/],
    ['  ', /^at character 1: /],
    ['pkg:', /^at character 5: expected the type/],
    ['pkg:npm', /^at character 8: expected a slash/],
    ['pkg:npm/', /^at character 9: expected the name/],
    ['pkg:npm/@1.0', /^at character 9: expected the name/],
    ['pkg:1npm/x', /^at character 5: expected the type/],
    ['pkg:n_pm/x', /^at character 6: expected the type/],
    ['pkg:composer/x', /^at character 5: expected a type of which there are packages: npm, pypi/],
    ['pkg:npm/left-pad@', /^at character 18: expected a version/],
    ['pkg:npm/left%2-pad', /^at character 13: expected two hexadecimal/],
    ['pkg:npm/%ff', /^at character 9: expected percent-escapes of UTF-8/],
    ['pkg:npm/a%00', /^at character 10: expected no control/],
    ['pkg:npm/a\u0000', /^at character 10: expected no control/],
    ['pkg:deb/curl?arch', /^at character 14: expected a qualifier/],
    ['pkg:deb/curl?arch=amd64&=x', /^at character 25: expected a qualifier/],
    ['pkg:npm/left-pad@>=1.2 <nope', /^at character 24: expected a range/],
    ['pkg:npm/left-pad@vers:pypi/>=1', /^at character 23: expected npm/],
    ['pkg:generic/tool@>=1', /^at character 18: expected one version/],
    ['left-pad@>=1 <', /^at character 14: expected/],
    ['https://repo.example/left-pad', /^at character 1: expected pkg:/],
    ['a:b:c:d', /^at character 2: expected no colon/],
    ['a:b:1@2', /^at character 6: expected one version/],
    [`pkg:npm/${'x'.repeat(3000)}`, /^at character 2049: expected at most/],
  ]
  for (const [question, message] of rows) {
    const error = t.throws(() => new PackageMatcher(question, null, TYPES), QueryError, question.slice(0, 40))
    t.match(error instanceof Error ? error.message : '', message, question.slice(0, 40))
  }
  t.end()
})

t.test('whatever is typed is read or refused with a place in it', (t) => {
  const piece = fc.constantFrom(
    ...'pkg: npm deb oci / @ ? # & = % %40 : vers:npm/ >= < 1.2 left-pad é \u0000 a.b'.split(' '),
    ' ',
  )
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('')),
  )
  fc.assert(
    fc.property(text, fc.constantFrom(...corpus), (question, found) => {
      try {
        new PackageMatcher(question, null, TYPES).judge(found)
      } catch (error) {
        if (!(error instanceof QueryError)) throw error
        return error.position >= 1 && error.position <= question.length + 1
      }
      return true
    }),
    { numRuns: 3000 },
  )
  t.end()
})

t.test('a package of any name finds itself by its package URL', (t) => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((text) => !/[/\p{Cc}\p{Cs}]|^\s|\s$/u.test(text))
  fc.assert(
    fc.property(fc.constantFrom('npm', 'generic', 'golang', 'maven'), name, name, (type, own, version) => {
      const found = { type, name: own, version, qualifiers: '' }
      const isRange = /^[\s<>=!^~[(*]|[\s,|*]|^vers:/.test(version)
      return isRange || new PackageMatcher(purlOf(type, found), null, TYPES).judge(found) === 'meant'
    }),
  )
  t.end()
})
