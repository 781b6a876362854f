import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { startNpmRegistry } from './npm-registry.ts'

interface Version {
  name: string
  version: string
  dist: { tarball: string; integrity: string; shasum: string }
}

interface Packument {
  'dist-tags': Record<string, string>
  versions: Record<string, Version>
}

const run = promisify(execFile)
const errors: unknown[] = []
const registry = await startNpmRegistry({ onError: (error) => errors.push(error) })
t.teardown(() => registry.close())

const ask = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
  fetch(`${registry.url}${path}`, { headers, method })
const packument = async (path: string, headers: Record<string, string> = {}): Promise<Packument> =>
  (await (await ask(path, headers)).json()) as Packument

t.test('a packument describes the package, and its tarballs are what it says', async (t) => {
  for (const name of ['waybill-hello', 'waybill-pad', '@waybill%2fcolors']) {
    const pkg = await packument(name)
    t.match(pkg, { _id: decodeURIComponent(name), readme: /^# /, time: { created: /Z$/, modified: /Z$/ } })
    t.ok(pkg.versions[pkg['dist-tags']['latest'] ?? ''], 'latest exists')
    for (const { dist } of Object.values(pkg.versions)) {
      t.ok(dist.tarball.startsWith(registry.url), dist.tarball)
      const tarball = Buffer.from(await (await fetch(dist.tarball)).arrayBuffer())
      t.equal(`sha512-${createHash('sha512').update(tarball).digest('base64')}`, dist.integrity)
      t.equal(createHash('sha1').update(tarball).digest('hex'), dist.shasum)
    }
  }
})

t.test('a scoped package answers under both spellings of its name', async (t) => {
  const expected = await packument('@waybill%2fcolors')
  t.same(await packument('@waybill/colors'), expected)
  t.same(await packument('@waybill%2Fcolors'), expected)
  for (const path of ['@waybill%2fcolors/-/colors-1.0.0.tgz', '@waybill/colors/-/colors-1.0.0.tgz']) {
    t.equal((await ask(path)).status, 200, path)
  }
  t.match(await (await ask('@waybill/colors/next')).json(), { version: '2.0.0-beta.1' })
})

t.test('installers get abbreviated metadata', async (t) => {
  const response = await ask('waybill-hello', {
    Accept: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*',
  })
  t.equal(response.headers.get('content-type'), 'application/vnd.npm.install-v1+json')
  const pkg = (await response.json()) as Packument
  t.same(Object.keys(pkg).sort(), ['dist-tags', 'modified', 'name', 'versions'])
  t.match(pkg.versions['1.2.0'], {
    bin: { 'waybill-hello': 'index.js' },
    dependencies: { '@waybill/colors': '^1.0.0', 'waybill-pad': '^1.1.0' },
  })
})

t.test('a version answers by number and by tag', async (t) => {
  t.match(await (await ask('waybill-pad/1.0.0')).json(), { _id: 'waybill-pad@1.0.0', license: 'Apache-2.0' })
  t.match(await (await ask('waybill-pad/latest')).json(), { version: '1.1.0' })
  const missing = await ask('waybill-pad/9.9.9')
  t.equal(missing.status, 404)
  t.same(await missing.json(), { error: 'version not found: 9.9.9' })
})

t.test('tarball addresses follow the forwarding headers, and only well-formed ones', async (t) => {
  const tarball = async (headers: Record<string, string>): Promise<string | undefined> =>
    (await packument('waybill-pad', headers)).versions['1.0.0']?.dist.tarball
  const file = 'waybill-pad/-/waybill-pad-1.0.0.tgz'
  t.equal(
    await tarball({
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'artifacts.example.com:8443, inner.example.com',
      'X-Forwarded-Prefix': '/npm/',
    }),
    `https://artifacts.example.com:8443/npm/${file}`,
  )
  t.equal(await tarball({ 'X-Forwarded-Host': '[::1]:80' }), `http://[::1]:80/${file}`)
  for (const headers of [
    { 'X-Forwarded-Proto': 'javascript' },
    { 'X-Forwarded-Host': 'evil.example.com/path' },
    { 'X-Forwarded-Host': 'user@evil.example.com' },
    { 'X-Forwarded-Prefix': '//evil.example.com' },
    { 'X-Forwarded-Prefix': '/a b' },
  ]) {
    t.equal(await tarball(headers), `${registry.url}${file}`, JSON.stringify(headers))
  }
})

t.test('metadata and tarballs revalidate with 304, and HEAD has no body', async (t) => {
  for (const path of ['waybill-hello', 'waybill-hello/-/waybill-hello-1.2.0.tgz']) {
    const head = await ask(path, {}, 'HEAD')
    t.equal(head.status, 200)
    t.ok(Number(head.headers.get('content-length')) > 1000)
    t.equal(await head.text(), '')
    const etag = head.headers.get('etag') ?? ''
    t.equal((await ask(path, { 'If-None-Match': etag })).status, 304)
    t.equal((await ask(path, { 'If-None-Match': '"other"' })).status, 200)
  }
  const head = await ask('waybill-hello', {}, 'HEAD')
  const elsewhere = await ask('waybill-hello', {
    'If-None-Match': head.headers.get('etag') ?? '',
    'X-Forwarded-Prefix': '/npm',
  })
  t.equal(elsewhere.status, 200, 'the same package under another address is another representation')
})

t.test('the service endpoints answer', async (t) => {
  t.same(await (await ask('-/ping')).json(), {})
  t.same(await (await ask('-/whoami')).json(), { username: 'anonymous' })
  t.same(await (await ask('-/package/@waybill%2fcolors/dist-tags')).json(), {
    latest: '1.1.0',
    next: '2.0.0-beta.1',
  })
  t.same(await (await ask('')).json(), { packages: ['@waybill/colors', 'waybill-pad', 'waybill-hello'] })
  t.same(await (await ask('-/npm/v1/security/advisories/bulk', {}, 'POST')).json(), {})
  t.match(await (await ask('-/npm/v1/security/audits/quick', {}, 'POST')).json(), { advisories: {} })
})

t.test('what is not there is 404, what cannot be read is 400, and writing is 405', async (t) => {
  for (const path of [
    'nothing',
    '@waybill/nothing',
    '__proto__',
    'waybill-pad/__proto__',
    'waybill-pad/-/nothing.tgz',
    'waybill-pad/-',
    'waybill-pad/1.0.0/more',
    '-/nothing',
    '-',
  ]) {
    const response = await ask(path)
    t.equal(response.status, 404, path)
    t.match(await response.json(), { error: /not found/ })
  }
  t.equal((await ask('%ff')).status, 400)
  const put = await ask('waybill-pad', {}, 'PUT')
  t.equal(put.status, 405)
  t.equal(put.headers.get('allow'), 'GET, HEAD')
  t.same(errors, [])
})

t.test('npm installs the tree, and it prints what was delivered', async (t) => {
  const npm = await npmProject(t, registry.url)
  await npm('install', 'waybill-hello', '--no-audit')
  const { stdout } = await run(process.execPath, ['-e', "require('waybill-hello')"], { cwd: npm.folder })
  t.match(stdout, /WAYBILL: delivered through your gateway/)
  t.match(stdout, /waybill-hello +1\.2\.0/)
  t.match(stdout, /@waybill\/colors +1\.1\.0/)
  t.match(stdout, /waybill-pad +1\.1\.0/)
  t.equal((await npm('exec', '--', 'waybill-hello')).stdout, stdout, 'it is a command, too')
})

t.test('npm behind a path prefix asks for metadata, tarballs and audit under that prefix', async (t) => {
  const paths: string[] = []
  const front = createServer((req, res) => {
    const path = req.url ?? ''
    paths.push(path)
    const headers = { ...req.headers, 'x-forwarded-host': req.headers.host, 'x-forwarded-prefix': '/npm' }
    const url = new URL(path.replace(/^\/npm\//, '/'), registry.url)
    const upstream = httpRequest(url, { method: req.method, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(res)
    })
    req.pipe(upstream)
  }).listen(0, '127.0.0.1')
  await once(front, 'listening')
  t.teardown(() => front.close().closeAllConnections())

  const npm = await npmProject(t, `http://127.0.0.1:${(front.address() as AddressInfo).port}/npm/`)
  t.match((await npm('install', 'waybill-hello')).stdout, /added 3 packages, and audited 4 packages/)
  t.match((await npm('audit')).stdout, /found 0 vulnerabilities/)
  t.same(
    paths.filter((path) => !path.startsWith('/npm/')),
    [],
  )
  for (const path of [
    '/npm/@waybill%2fcolors',
    '/npm/@waybill/colors/-/colors-1.1.0.tgz',
    '/npm/waybill-pad/-/waybill-pad-1.1.0.tgz',
    '/npm/waybill-hello/-/waybill-hello-1.2.0.tgz',
    '/npm/-/npm/v1/security/advisories/bulk',
  ]) {
    t.ok(paths.includes(path), path)
  }
  const lock = await readFile(join(npm.folder, 'package-lock.json'), 'utf8')
  t.match(lock, '/npm/@waybill/colors/-/colors-1.1.0.tgz')
})

interface NpmRun {
  (...args: string[]): Promise<{ stdout: string; stderr: string }>
  folder: string
}

/** An empty project whose npm knows one registry and nothing of this machine's configuration. */
async function npmProject(t: Test, registryUrl: string): Promise<NpmRun> {
  const home = await mkdtemp(join(tmpdir(), 'waybill-npm-'))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  await writeFile(join(home, 'package.json'), '{"name":"project","version":"1.0.0","private":true}')
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    npm_config_cache: join(home, '.cache'),
    npm_config_globalconfig: join(home, 'global-npmrc'),
    npm_config_update_notifier: 'false',
    npm_config_fund: 'false',
  }
  const npm = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    run('npm', [...args, '--registry', registryUrl], { cwd: home, env })
  return Object.assign(npm, { folder: home })
}
