import t from 'tap'
import { routeOf } from '../../config/routes.ts'
import { AccessEntry, capText, ENTRY_TEXT_MAX } from '../../model/access-entry.ts'
import { EntryIdentifier } from './entry-identifier.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`
const UPSTREAM = 'https://repo.example.com:8443/'
const npm = routeOf({ name: 'npm', kind: 'npm', path: '/npm/', upstream: UPSTREAM })
const images = routeOf({ name: 'images', kind: 'oci', path: '/v2/', upstream: `${UPSTREAM}v2/` })
const hooks = routeOf({ name: 'hooks', kind: 'integration', path: '/hooks/', upstream: UPSTREAM })

function entryFor(fields: Partial<AccessEntry>): AccessEntry {
  return Object.assign(new AccessEntry(), { method: 'GET', tenant: 'acme' }, fields)
}

function told(entry: AccessEntry, identifier = new EntryIdentifier()) {
  identifier.identify(entry)
  const { artifactKind, package: name, version, qualifiers, routed } = entry
  return { artifactKind, name, version, qualifiers, routed }
}

t.test('an entry is told by its route and its path, once', async (t) => {
  const entry = entryFor({ routed: npm, path: '/npm/left-pad/-/left-pad-1.3.0.tgz' })
  const expected = {
    artifactKind: 'artifact',
    name: 'left-pad',
    version: '1.3.0',
    qualifiers: '',
    routed: null,
  }
  t.match(told(entry), expected)
  entry.path = '/npm/other'
  t.match(told(entry), expected)
})

t.test('without a route, and on one of no ecosystem, there is no artifact', async (t) => {
  t.match(told(entryFor({ path: '/npm/left-pad' })), { artifactKind: '', name: '' })
  t.match(told(entryFor({ path: '/hooks/x', routed: hooks })), { artifactKind: '', name: '', routed: null })
})

t.test('a path that was cut, and a package whose name is too long, are no package', async (t) => {
  const path = capText(`/npm/left-pad/-/left-pad-1.3.0.tgz?${'x'.repeat(3000)}`, ENTRY_TEXT_MAX.path)
  t.equal(told(entryFor({ routed: npm, path })).name, 'left-pad', 'the cut is in the query')
  const cut = capText(`/npm/${'x'.repeat(3000)}`, ENTRY_TEXT_MAX.path)
  t.match(told(entryFor({ routed: npm, path: cut })), { artifactKind: 'other', name: '' })
  const long = told(entryFor({ routed: npm, path: `/npm/${'x'.repeat(600)}/-/${'x'.repeat(600)}-1.0.0.tgz` }))
  t.equal(long.name, '')
})

t.test('what is no path of its route is nothing, and nothing throws', async (t) => {
  for (const path of ['', '/', 'x', '/npm', '\0', '\ud800', '/npm/%', '/npm/'.repeat(400)]) {
    t.doesNotThrow(() => told(entryFor({ routed: npm, path })), path)
    t.doesNotThrow(() => told(entryFor({ routed: images, path, digest: DIGEST })), path)
  }
  const broken = entryFor({ routed: npm })
  Object.defineProperty(broken, 'path', { value: null })
  t.match(told(broken), { artifactKind: 'other', name: '' })
})

t.test(
  'a manifest by tag has the digest that was answered, and by digest the tag that was seen',
  async (t) => {
    const identifier = new EntryIdentifier()
    const at = (reference: string, more: Partial<AccessEntry> = {}) =>
      told(
        entryFor({
          routed: images,
          route: 'images',
          path: `/v2/team/web/manifests/${reference}`,
          digest: DIGEST,
          ...more,
        }),
        identifier,
      )
    const place = 'repository_url=repo.example.com:8443%2Fteam%2Fweb'
    t.equal(at(DIGEST).qualifiers, place, 'not seen yet')
    t.match(at('1.0'), { name: 'web', version: DIGEST, qualifiers: `${place}&tag=1.0` })
    t.match(at(DIGEST), { name: 'web', version: DIGEST, qualifiers: `${place}&tag=1.0` })
    t.equal(at(DIGEST, { digest: '' }).qualifiers, `${place}&tag=1.0`, 'also where the answer told none')
    t.equal(at(DIGEST, { tenant: 'globex' }).qualifiers, place, 'what one tenant saw is not told of another')
    t.match(at('2.0', { digest: '' }), { version: '', qualifiers: `${place}&tag=2.0` })
    at('2.0')
    t.equal(at(DIGEST).qualifiers, `${place}&tag=2.0`, 'the newest')
    const blob = told(
      entryFor({ routed: images, path: `/v2/team/web/blobs/${DIGEST}`, digest: DIGEST }),
      identifier,
    )
    t.match(blob, { artifactKind: 'artifact', name: 'web', version: '', qualifiers: place })
  },
)

t.test('so many tags are remembered, and not more', async (t) => {
  const identifier = new EntryIdentifier()
  const at = (reference: string, digest: string): string =>
    told(
      entryFor({ routed: images, route: 'images', path: `/v2/web/manifests/${reference}`, digest }),
      identifier,
    ).qualifiers
  const digestOf = (n: number): string => `sha256:${n.toString(16).padStart(64, '0')}`
  for (let n = 0; n < 5000; n++) at(`t${n}`, digestOf(n))
  t.notMatch(at(digestOf(0), ''), /tag=/)
  t.match(at(digestOf(4999), ''), /tag=t4999/)
})
