import t from 'tap'
import { purlOf } from '../model/artifact/purl.ts'
import type { RouteKind } from '../model/route.ts'
import { belowRoute, identify } from './identify.ts'
import { ECOSYSTEMS } from './kinds.ts'

t.test('a path is told below its route', async (t) => {
  const npm = { path: '/npm/' }
  t.equal(belowRoute(npm, '/npm/left-pad?x=1'), '/left-pad?x=1')
  t.equal(belowRoute(npm, '/npm/'), '/')
  t.equal(belowRoute(npm, '/npm'), '/')
  t.equal(belowRoute(npm, '/npm?write=true'), '/?write=true')
  t.equal(belowRoute({ path: '/' }, '/npm/x'), '/npm/x')
})

t.test('a path that was cut is about nothing', async (t) => {
  const route = { kind: 'npm', upstream: { origin: 'https://registry.example.test' } } as const
  t.equal(identify(route, 'GET', '/left-pad/-/left-pa…+12').kind, 'other')
})

/** The package URL of what is asked for through a route to this address; '' for none. */
function purl(kind: RouteKind, upstream: string, target: string): string {
  const [, origin = '', path = '/'] = /^(https?:\/\/[^/]+)(\/.*)$/.exec(upstream) ?? []
  const { package: found } = identify({ kind, upstream: { origin, path } }, 'GET', target)
  return found === null ? '' : purlOf(ECOSYSTEMS[kind].purlType, found)
}

t.test('a repository is named by where the upstream has it', async (t) => {
  const refs = 'info/refs?service=git-upload-pack'
  t.equal(purl('git', 'https://git.example/', `/acme/shop.git/${refs}`), 'pkg:git/git.example/acme/shop')
  t.equal(purl('git', 'https://git.example/acme/', `/shop/${refs}`), 'pkg:git/git.example/acme/shop')
  t.equal(purl('git', 'https://git.example/acme/shop.git/', `/${refs}`), 'pkg:git/git.example/acme/shop')
  t.equal(purl('git', 'https://git.example:8443/', `/${refs}`), '', 'no repository')
  const image = (upstream: string, target: string): string | undefined =>
    purl('oci', upstream, target).split('repository_url=')[1]
  t.equal(image('http://reg:5000/', '/v2/web/manifests/1'), 'reg:5000%2Fweb&tag=1')
  t.equal(image('http://reg:5000/v2/', '/acme/web/tags/list'), 'reg:5000%2Facme%2Fweb')
  t.equal(image('http://reg:5000/v2/mirror/', '/web/manifests/1'), 'reg:5000%2Fmirror%2Fweb&tag=1')
  t.equal(image('http://reg:5000/harbor/', '/v2/web/manifests/1'), 'reg:5000%2Fharbor%2Fweb&tag=1')
  t.equal(purl('npm', 'https://repo.example/repository/npm-all/', '/left-pad'), 'pkg:npm/left-pad')
})

t.test('an upstream of its own for each tenant names no host', async (t) => {
  const refs = '/acme/shop/info/refs'
  t.equal(purl('git', 'https://{tenant}.example/', refs), 'pkg:git/acme/shop')
  t.equal(purl('git', 'https://git.example/{tenant}/', refs), 'pkg:git/acme/shop')
  t.equal(purl('oci', 'https://{tenant}.example/', '/v2/web/tags/list'), 'pkg:oci/web')
})

t.test('a file of another host is told by its path there, and named by that host', async (t) => {
  const upstream = 'https://repo.example/simple/'
  const wheel = 'packages/70/8e/requests-2.31.0-py3-none-any.whl'
  for (const start of ['/~/files.example/', '/~/files.example:8443/', '/%7E/files.example%3a8443/']) {
    t.equal(purl('pypi', upstream, start + wheel), 'pkg:pypi/requests@2.31.0', start)
  }
  t.equal(purl('npm', upstream, '/~/files.example/left-pad/-/left-pad-1.3.0.tgz'), 'pkg:npm/left-pad@1.3.0')
  const jar = '/~/files.example/junit/junit/4.13.2/junit-4.13.2.jar'
  t.equal(purl('maven', 'https://repo.example/maven2/', jar), 'pkg:maven/junit/junit@4.13.2')
  const pack = '/~/Files.example:8443/acme/shop.git/info/lfs/objects/batch'
  t.equal(purl('git', 'https://git.example/', pack), 'pkg:git/files.example:8443/acme/shop')
  for (const target of ['/~/files.example', '/~/files.example/', '/~/', '/~', '/%7e/'])
    t.equal(purl('git', 'https://git.example/', target), '', target)
})

t.test("a vendor is the route's, and debian where it names none", async (t) => {
  const name = (packageOrigin: string | undefined, target: string): string | undefined => {
    const upstream = { origin: 'https://deb.example', path: '/ubuntu/' }
    return identify({ kind: 'apt', packageOrigin, upstream }, 'GET', target).package?.name
  }
  const deb = 'pool/main/c/curl/curl_7.88.1-10_amd64.deb'
  t.equal(name(undefined, `/${deb}`), 'debian/curl')
  t.equal(name('ubuntu', `/${deb}`), 'ubuntu/curl')
  t.equal(name('ubuntu', `/~/files.example/${deb}`), 'ubuntu/curl')
  t.equal(name(undefined, `/~/files.example/${deb}`), 'debian/curl')
})
