import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { mintKey } from '../../model/api-key.ts'
import { ROUTE_KINDS } from '../../model/route.ts'
import { testIo, type TestIo } from '../../test/cli-io.ts'
import { runCli } from '../program.ts'
import { CLIENTS } from './clients.ts'
import type { Recipe } from './recipe.ts'

const { text: KEY } = mintKey()
const ROUTES = ROUTE_KINDS.filter((kind) => kind !== 'oci' && kind !== 'integration').map((kind) => ({
  name: kind,
  kind,
  path: `/${kind}/`,
  upstream: `https://${kind}.example.com/`,
}))
const REGISTRIES = [
  { name: 'images', kind: 'oci', path: '/v2/images/', upstream: 'https://images.example.com/v2/' },
  {
    name: 'hosted',
    kind: 'oci',
    path: '/v2/',
    host: 'r.example.com',
    upstream: 'https://images.example.com/v2/',
  },
]

async function setup(
  t: Test,
  args: readonly string[],
  given: { publicUrl?: string; stdin?: string } = {},
): Promise<TestIo & { code: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-setup-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const { publicUrl = 'https://artifacts.example.com', stdin = '' } = given
  writeFileSync(
    join(folder, 'waybill.yaml'),
    JSON.stringify({ publicUrl, routes: [...ROUTES, ...REGISTRIES] }),
  )
  const io = testIo(['setup', ...args], { cwd: folder, stdin: Readable.from([stdin]) })
  const code = await runCli(io, async () => await Promise.reject(new Error('not served')))
  return Object.assign(io, { code })
}

async function recipeOf(t: Test, client: string, route: string, publicUrl?: string): Promise<Recipe> {
  const io = await setup(
    t,
    [client, '--route', route, '--key', KEY, '--json'],
    publicUrl === undefined ? {} : { publicUrl },
  )
  t.equal(io.code, 0, io.written.stderr)
  return JSON.parse(io.written.stdout) as Recipe
}

t.test('a recipe leads to the host of the address, whatever slashes are behind it', async (t) => {
  for (const slashes of ['', '/', '//', '///']) {
    const url = `https://artifacts.example.com:8443${slashes}`
    const { code, written } = await setup(t, ['npm', '--route', 'npm', '--url', url, '--json'])
    t.equal(code, 0, written.stderr)
    t.equal((JSON.parse(written.stdout) as { url: string }).url, 'https://artifacts.example.com:8443/npm/')
    t.notMatch(written.stdout, '://npm')
  }
})

t.test('every client has a recipe for each kind of route that it can use', async (t) => {
  for (const [name, client] of CLIENTS) {
    for (const kind of client.kinds) {
      if (kind === 'integration') continue
      const route = kind === 'oci' ? 'images' : kind
      const io = await setup(t, [name, '--route', route, '--key', KEY])
      t.equal(io.code, 0, `${name} ${route}: ${io.written.stderr}`)
      const text = io.written.stdout
      t.ok(text.includes(KEY), `${name}: the key is in it`)
      t.match(text, /artifacts\.example\.com/, name)
      t.notMatch(text, /undefined|\[object/, name)
    }
  }
})

t.test('files with the key in them say that nobody else should read them', async (t) => {
  for (const [name, client] of CLIENTS) {
    const [kind = ''] = client.kinds
    const { files } = await recipeOf(t, name, kind === 'oci' ? 'images' : kind)
    for (const file of files) t.equal(file.isSecret, file.content.includes(KEY), `${name} ${file.path}`)
  }
})

t.test('npm gets registry and token, with port and base path', async (t) => {
  const { files } = await recipeOf(t, 'npm', 'npm')
  t.equal(
    files[0]?.content,
    `registry=https://artifacts.example.com/npm/\n//artifacts.example.com/npm/:_authToken=${KEY}\n`,
  )
  const io = await setup(t, [
    'npm',
    '--route',
    'npm',
    '--key',
    KEY,
    '--url',
    'https://a.example.com:8443/base',
  ])
  t.ok(io.written.stdout.includes(`//a.example.com:8443/base/npm/:_authToken=${KEY}\n`))
})

t.test('Yarn gets YAML, and leave to speak plain HTTP only where it has to', async (t) => {
  const read = async (publicUrl: string): Promise<unknown> => {
    const { files } = await recipeOf(t, 'yarn', 'npm', publicUrl)
    return parse(files[0]?.content ?? '')
  }
  const common = { npmAuthToken: KEY, npmAlwaysAuth: true }
  t.same(await read('https://a.example.com'), { ...common, npmRegistryServer: 'https://a.example.com/npm/' })
  t.same(await read('http://a.example.com:8080'), {
    ...common,
    npmRegistryServer: 'http://a.example.com:8080/npm/',
    unsafeHttpWhitelist: ['a.example.com'],
  })
})

t.test('Poetry is told where to upload, which is not the index that it reads', async (t) => {
  const { environment, files } = await recipeOf(t, 'poetry', 'pypi')
  t.match(environment, { POETRY_REPOSITORIES_WAYBILL_URL: 'https://artifacts.example.com/pypi/' })
  t.match(files[0]?.content, 'url = "https://artifacts.example.com/pypi/simple/"')
})

t.test('images are named by the host and what follows /v2/', async (t) => {
  const images = await recipeOf(t, 'docker', 'images')
  t.match(images.commands[0], /docker login --username waybill --password-stdin artifacts\.example\.com$/)
  t.equal(images.examples[0], 'docker pull artifacts.example.com/images/<image>:<tag>')
  const hosted = await recipeOf(t, 'podman', 'hosted')
  t.match(hosted.commands[0], / r\.example\.com$/)
  t.equal(hosted.examples[0], 'podman pull r.example.com/<image>:<tag>')
  const below = await setup(t, ['docker', '--route', 'images', '--url', 'https://a.example.com/base/'])
  t.equal(below.code, 1)
  t.match(below.written.stderr, /container clients ask at \/v2\/ of a host/)
})

t.test('without a key its place is marked', async (t) => {
  const io = await setup(t, ['pip', '--route', 'pypi'])
  t.match(io.written.stdout, 'index-url = https://waybill:YOUR-KEY@artifacts.example.com/pypi/simple/')
})

t.test('a key comes from stdin as well', async (t) => {
  const io = await setup(t, ['curl', '--route', 'generic', '--key', '-'], { stdin: `${KEY}\n` })
  t.ok(io.written.stdout.includes(`Bearer ${KEY}"`), io.written.stderr)
})

t.test('all that is wrong with the arguments is said at once, and no key is repeated', async (t) => {
  const io = await setup(t, ['pipp', '--key', `${KEY.slice(0, -1)}!`])
  t.equal(io.code, 2)
  t.match(io.written.stderr, /"pipp" is not one of npm, .*\n.*--route is required\n.*not a complete API key/)
  t.notMatch(io.written.stderr, KEY.slice(16, 30))
  const unknown = await setup(t, ['npm', '--route', 'npmm'])
  t.equal(unknown.code, 2)
  t.match(unknown.written.stderr, /no route "npmm": it has npm, pypi/)
  const other = await setup(t, ['npm', '--route', 'pypi'])
  t.equal(other.code, 1)
  t.match(other.written.stderr, /npm cannot use route pypi, which is of kind pypi: it needs one of kind npm/)
  const url = await setup(t, ['npm', '--route', 'npm', '--url', 'ftp://x/'])
  t.equal(url.code, 2)
  t.match(url.written.stderr, /--url: must be/)
})

t.test('words of a shell are quoted', async (t) => {
  const io = await setup(t, ['helm', '--route', 'helm', '--key', KEY])
  t.match(io.written.stdout, `printf %s ${KEY} | helm repo add helm`)
})

t.test(
  'without TLS helm logs in to a registry with --plain-http where it knows that, as 3.17 does not',
  async (t) => {
    const plain = await setup(t, ['helm', '--route', 'images', '--key', KEY, '--url', 'http://127.0.0.1:80'])
    t.match(
      plain.written.stdout,
      'helm registry login $(helm registry login --help | grep -om1 -e --plain-http) --username',
    )
    const safe = await setup(t, ['helm', '--route', 'images', '--key', KEY])
    t.match(safe.written.stdout, 'helm registry login --username')
  },
)
