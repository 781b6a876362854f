import fc from 'fast-check'
import t from 'tap'
import { ARTIFACT_KINDS, type Identity } from '../../model/artifact/identity.ts'
import type { RouteKind } from '../../model/route.ts'
import { ECOSYSTEMS } from '../kinds.ts'

const KINDS = ['maven', 'oci', 'apt', 'git', 'generic', 'nuget', 'rubygems'] as const
const DIGEST = `sha256:${'0f'.repeat(32)}`
const word = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/)
const version = fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)).map((numbers) => numbers.join('.'))
const piece = fc.constantFrom(
  ...'a 1 1.2.3 v1.0 - _ . .. % %2f %zz %00 ; ? - raw archive releases download packages generic info refs lfs'.split(
    ' ',
  ),
  ...'objects HEAD x.git manifests blobs uploads tags list referrers v2 api a-1.0.jar x_1_all.deb -SNAPSHOT 😀 \ud800 .gem'.split(
    ' ',
  ),
  '',
)

function asked(kind: RouteKind, path: string, method = 'GET'): Identity {
  return ECOSYSTEMS[kind].identify({ method, path, query: '', origin: 'host.example' })
}

t.test('no path throws, and each has a kind', async (t) => {
  const path = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('/')}`)
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), fc.oneof(path, fc.string({ unit: 'binary' })), (kind, path) => {
      for (const method of ['GET', 'PUT', 'POST', 'PROPFIND', 'x'])
        if (!ARTIFACT_KINDS.includes(asked(kind, path, method).kind)) return false
      return true
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('a Maven file has the version of its folder, and a snapshot that of its name', async (t) => {
  const part = fc.tuple(word, fc.option(version, { nil: '' })).map((parts) => parts.filter(Boolean).join('-'))
  const classifier = fc.constantFrom('', '-sources', '-linux-x86_64', '-hadoop2.6', '-1.0')
  fc.assert(
    fc.property(word, part, version, classifier, (group, artifact, base, suffix) => {
      const at = `/${group}/x/${artifact}`
      const release = asked('maven', `${at}/${base}/${artifact}-${base}${suffix}.jar`)
      t.equal(release.package?.name, `${group}.x/${artifact}`)
      t.equal(release.package?.version, base)
      t.equal(release.package?.qualifiers, suffix === '' ? '' : `classifier=${suffix.slice(1)}`)
      const stamped = `${base}-20240102.030405-6`
      const snapshot = asked('maven', `${at}/${base}-SNAPSHOT/${artifact}-${stamped}${suffix}.jar`)
      t.equal(snapshot.package?.version, stamped)
      t.equal(snapshot.package?.qualifiers, release.package?.qualifiers)
    }),
    { numRuns: 50 },
  )
})

t.test('the end of a path says where the name of an image ends', async (t) => {
  const names = fc.array(
    fc.constantFrom('manifests', 'blobs', 'tags', 'list', 'uploads', 'referrers', 'v2', 'web'),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  const tail = fc.constantFrom(
    `manifests/${DIGEST}`,
    'manifests/latest',
    `blobs/${DIGEST}`,
    'tags/list',
    `referrers/${DIGEST}`,
  )
  fc.assert(
    fc.property(names, tail, (names, tail) => {
      const id = asked('oci', `/v2/${names.join('/')}/${tail}`).package
      t.equal(id?.name, names.at(-1))
      const place = `repository_url=${['host.example', ...names].join('%2F')}`
      t.ok(id?.qualifiers === place || id?.qualifiers === `${place}&tag=latest`, place)
    }),
    { numRuns: 100 },
  )
})

t.test('what may be two things has no version: its file is its name', async (t) => {
  for (const [path, name] of [
    ['/x/kafka_2.13-3.7.0.tgz', 'kafka_2.13-3.7.0.tgz'],
    ['/x/tool-ubuntu-22.04.zip', 'tool-ubuntu-22.04.zip'],
    ['/22.04/1.2.3/tool.zip', 'tool.zip'],
    ['/pub/linux/archive/old.zip', 'old.zip'],
    ['/data/set/raw/2024/x.csv', 'x.csv'],
  ] as const) {
    const id = asked('generic', path).package
    t.same([id?.name, id?.version], [name, ''], path)
  }
  t.same(asked('generic', '/x/tool-1.2.3-1.el9.x86_64.rpm').package?.version, '1.2.3-1.el9')
})

t.test('files and pages of a repository are no repositories', async (t) => {
  for (const path of ['/a/b/blob/main/HEAD', '/a/b/-/tree/main/x.git', '/a/b/src/branch/main/info/refs'])
    t.equal(asked('git', path).package, null, path)
  t.equal(asked('git', '/a/b/raw/branch/main/HEAD').package?.name, 'host.example/a/b')
})
