import t from 'tap'
import { purlOf } from '../model/artifact/purl.ts'
import type { Identity } from '../model/artifact/identity.ts'
import { oci, withDigest } from './oci.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`

function asked(path: string, query = '', origin = 'registry.example'): Identity {
  return oci.identify({ method: 'GET', path, query, origin })
}

function purl({ package: id }: Identity): string {
  return id === null ? '' : purlOf('oci', id)
}

t.test('the digest of an answer is the version of an image asked for by tag', async (t) => {
  const byTag = asked('/v2/acme/web/manifests/1.0')
  t.equal(
    purl(withDigest(byTag, DIGEST.toUpperCase().replace('SHA', 'sha'))),
    `pkg:oci/web@${DIGEST}?repository_url=registry.example%2Facme%2Fweb&tag=1.0`,
  )
  t.equal(withDigest(byTag, DIGEST).kind, 'metadata')
  const nowhere = withDigest(asked('/v2/acme/web/manifests/1.0', '', ''), DIGEST)
  t.equal(purl(nowhere), `pkg:oci/web@${DIGEST}?tag=1.0`, 'of an unknown registry')
  for (const path of [
    `/v2/acme/web/blobs/${DIGEST}`,
    `/v2/acme/web/manifests/sha256:${'00'.repeat(32)}`,
    '/v2/acme/web/tags/list',
    '/v2/acme/tag=1/tags/list',
    '/v2/',
  ]) {
    const identity = asked(path)
    t.equal(withDigest(identity, DIGEST), identity, path)
  }
  for (const digest of ['', 'latest', 'sha256:abc', `md5:${'ab'.repeat(16)}`, `${DIGEST} `, `${DIGEST}\n`])
    t.equal(withDigest(byTag, digest), byTag, JSON.stringify(digest))
})

t.test('a route at /v2/ has paths without it', async (t) => {
  const repository = 'repository_url=registry.example%2Flibrary%2Falpine'
  t.equal(purl(asked('/library/alpine/manifests/3.19')), `pkg:oci/alpine?${repository}&tag=3.19`)
  t.equal(purl(asked(`/library/alpine/blobs/${DIGEST}`)), `pkg:oci/alpine?${repository}`)
  t.equal(asked('/_catalog').kind, 'index')
})

t.test('what is no repository, tag or digest names no image', async (t) => {
  for (const path of [
    '/v2/manifests/latest',
    '/v2/acme/web/manifests/',
    '/v2/acme/web/manifests/a:b',
    '/v2/acme/web/manifests/sha256:abc',
    `/v2/acme/web/manifests/${'x'.repeat(129)}`,
    '/v2/acme/web/manifests/../latest',
    '/v2/acme/../web/manifests/latest',
    '/v2/acme//web/manifests/latest',
    '/v2/acme%2Fweb/manifests/latest',
    '/v2/%00/manifests/latest',
    '/v2/acme/web/blobs/latest',
    '/v2/acme/web/tags/1.0',
    '/v2/blobs/uploads/1',
  ])
    t.equal(asked(path).package, null, path)
})

t.test('a mirror says for which registry it stands, if that is one', async (t) => {
  const image = (query: string): string => purl(asked('/v2/a/web/manifests/1', query))
  t.equal(image('?ns=other.example:5000'), 'pkg:oci/web?repository_url=other.example:5000%2Fa%2Fweb&tag=1')
  t.equal(image('?xns=b.example'), 'pkg:oci/web?repository_url=registry.example%2Fa%2Fweb&tag=1')
  t.equal(image('?ns=a%20b%26c'), 'pkg:oci/web?tag=1')
})
