import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import type { RouteKind } from '../../model/route.ts'
import { startGateway } from '../../test/gateway.ts'

/**
 * What a client sends with its key `K`, in the fields by which it was seen or is specified to send it, cut down to those; `basic(…)` stands
 * for what it encodes. Real clients run in e2e/clients.
 */
interface Client {
  readonly name: string
  readonly kind: RouteKind
  /** Below the route's path. */
  readonly line: string
  readonly fields: readonly string[]
}

const AUTH = 'Authorization: '
const basic = (pair: string): string => `${AUTH}Basic basic(${pair})`

const CLIENTS: readonly Client[] = [
  {
    name: 'npm with _authToken',
    kind: 'npm',
    line: 'GET @scope%2fname',
    fields: [
      'user-agent: npm/10.8.2 node/v20.19.0 linux x64 workspaces/false',
      'npm-auth-type: web',
      'npm-command: install',
      'pacote-pkg-id: registry:@scope/name@latest',
      'authorization: Bearer K',
      'accept: application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*',
    ],
  },
  {
    name: 'npm with _auth',
    kind: 'npm',
    line: 'GET name/-/name-1.0.0.tgz',
    fields: ['user-agent: npm/10.8.2 node/v20.19.0', 'authorization: Basic basic(me:K)', 'accept: */*'],
  },
  {
    name: 'npm publish',
    kind: 'npm',
    line: 'PUT name',
    fields: ['npm-command: publish', 'authorization: Bearer K', 'content-type: application/json'],
  },
  {
    name: 'Yarn 4 with npmAuthIdent',
    kind: 'npm',
    line: 'GET @scope%2fname',
    fields: ['user-agent: got (https://example.com/got)', 'authorization: Basic basic(me:K)'],
  },
  {
    name: 'pip with name and key in its URL',
    kind: 'pypi',
    line: 'GET simple/name/',
    fields: [
      'User-Agent: pip/24.0 {"ci":null,"installer":{"name":"pip","version":"24.0"}}',
      'Accept: application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01',
      'Cache-Control: max-age=0',
      basic('__token__:K'),
    ],
  },
  {
    name: 'pip with the key as user name',
    kind: 'pypi',
    line: 'GET simple/name/',
    fields: ['User-Agent: pip/24.0 {}', basic('K:')],
  },
  {
    name: 'uv with UV_INDEX_…_PASSWORD',
    kind: 'pypi',
    line: 'GET simple/name/',
    fields: ['user-agent: uv/0.5.11', 'authorization: Basic basic(me:K)'],
  },
  {
    name: 'uv with the key as user name',
    kind: 'pypi',
    line: 'GET files/name-1-py3-none-any.whl.metadata',
    fields: ['user-agent: uv/0.5.11', 'authorization: Basic basic(K:)'],
  },
  {
    name: 'Poetry with http-basic',
    kind: 'pypi',
    line: 'GET simple/name/',
    fields: ['User-Agent: poetry/1.8.3', basic('me:K')],
  },
  {
    name: 'twine upload',
    kind: 'pypi',
    line: 'POST legacy/',
    fields: [
      'User-Agent: twine/5.1.1',
      'Content-Type: multipart/form-data; boundary=x',
      basic('__token__:K'),
    ],
  },
  {
    name: 'Maven',
    kind: 'maven',
    line: 'GET org/example/a/1/a-1.pom',
    fields: ['User-Agent: Apache-Maven/3.8.7 (Java 17.0.13; Linux 6.1)', basic('me:K')],
  },
  {
    name: 'Maven deploy',
    kind: 'maven',
    line: 'PUT org/example/a/1/a-1.jar',
    fields: ['User-Agent: Apache-Maven/3.8.7', 'Expect: 100-continue', basic('me:K')],
  },
  {
    name: 'Gradle with a password',
    kind: 'maven',
    line: 'HEAD org/example/a/1/a-1.jar',
    fields: ['User-Agent: Gradle/8.10', basic('me:K')],
  },
  {
    name: 'Gradle with HttpHeaderCredentials',
    kind: 'maven',
    line: 'GET org/example/a/1/a-1.module',
    fields: ['User-Agent: Gradle/8.10', `${AUTH}Bearer K`],
  },
  {
    name: 'cargo with its bare token over plain HTTP',
    kind: 'cargo',
    line: 'GET na/me/name',
    fields: [
      'User-Agent: cargo 1.83.0',
      'cargo-protocol: version=1',
      'authorization: K',
      'accept: text/plain',
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
    ],
  },
  {
    name: 'cargo publish',
    kind: 'cargo',
    line: 'PUT api/v1/crates/new',
    fields: ['authorization: K', 'Accept: application/json', 'Content-Type: application/octet-stream'],
  },
  {
    name: 'go with netrc',
    kind: 'go',
    line: 'GET example.com/!mod/@v/list',
    fields: ['User-Agent: Go-http-client/1.1', basic('me:K')],
  },
  {
    name: 'git with a helper, fetching',
    kind: 'git',
    line: 'POST repo.git/git-upload-pack',
    fields: [
      'User-Agent: git/2.39.5',
      'Content-Type: application/x-git-upload-pack-request',
      'Accept: application/x-git-upload-pack-result',
      'Git-Protocol: version=2',
      basic('me:K'),
    ],
  },
  {
    name: 'git with the key as user name',
    kind: 'git',
    line: 'GET repo.git/info/refs?service=git-upload-pack',
    fields: ['User-Agent: git/2.39.5', 'Pragma: no-cache', basic('K:')],
  },
  {
    name: 'git with http.extraHeader',
    kind: 'git',
    line: 'GET repo.git/info/refs?service=git-receive-pack',
    fields: ['User-Agent: git/2.39.5', `${AUTH}Bearer K`],
  },
  {
    name: 'git-lfs',
    kind: 'git',
    line: 'GET repo.git/info/lfs/objects/0123',
    fields: ['User-Agent: git-lfs/3.3.0 (GitHub; linux amd64; go 1.19)', basic('me:K')],
  },
  {
    name: 'helm with repo add',
    kind: 'helm',
    line: 'GET index.yaml',
    fields: ['User-Agent: Helm/3.16.3', basic('me:K')],
  },
  {
    name: 'apt with auth.conf',
    kind: 'apt',
    line: 'GET dists/stable/InRelease',
    fields: ['User-Agent: Debian APT-HTTP/1.3 (2.6.1)', 'Cache-Control: max-age=0', basic('me:K')],
  },
  {
    name: 'docker with Basic, where there is no token',
    kind: 'oci',
    line: 'GET app/manifests/1',
    fields: ['User-Agent: docker/27.3.1 go/go1.22.7', 'Accept: */*', basic('me:K')],
  },
  {
    name: 'curl with a field of its own',
    kind: 'generic',
    line: 'GET file',
    fields: ['User-Agent: curl/8.5.0', 'Accept: */*', 'X-Api-Key: K'],
  },
]

function filled(field: string, key: string): string {
  const own = field.replace(/\bK(?=$|:|\))/, key)
  return own.replace(/basic\((.*)\)/, (_whole, pair: string) => btoa(pair))
}

for (const { name, kind, line, fields } of CLIENTS) {
  t.test(`${name} is known by its key, which goes no further`, async (t) => {
    const path = kind === 'oci' ? '/v2/r/' : '/r/'
    const gateway = await startGateway(t, { routes: [{ kind, path }] })
    const [method = '', rest = ''] = line.split(' ')
    const isWrite = /^PUT|legacy|receive-pack/.test(line)
    const key = mintKey()
    gateway.directory.key(key, { scopeList: [isWrite ? 'r:write' : 'r:read'] })
    const client = await gateway.client()
    const head = [`${method} ${path}${rest} HTTP/1.1`, 'Host: gw', ...fields.map((f) => filled(f, key.text))]
    const body = method === 'POST' || method === 'PUT' ? 'body' : ''
    if (body !== '') head.push(`Content-Length: ${body.length}`)
    client.send(`${head.join('\r\n')}\r\n\r\n${body}`)
    const { wire, message } = await gateway.upstream.request()
    t.equal(message.field('authorization'), null)
    t.equal(message.field('x-api-key'), null)
    t.notMatch(message.head, key.text.slice(12))
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    const isHead = method === 'HEAD'
    let answer = await client.message({ isHead })
    if (answer.status === 100) answer = await client.message({ isHead })
    t.equal(answer.status, 200)
    await gateway.finish(t, [{ outcome: 'forwarded', tenant: 'acme', keyId: key.id, kind, route: 'r' }])
  })
}

/** How clients ask for a token; `K` is the key. */
const TOKENS: readonly (readonly [name: string, line: string, fields: readonly string[], form: string])[] = [
  [
    'docker pull',
    'GET /v2/token?scope=repository%3Aimages%2Fapp%3Apull&service=gw',
    ['User-Agent: docker/27.3.1 go/go1.22.7', basic('me:K')],
    '',
  ],
  [
    'podman',
    'GET /v2/token?account=me&scope=repository%3Aimages%2Fapp%3Apull&service=gw',
    ['User-Agent: containers/5.29.2', basic('me:K')],
    '',
  ],
  [
    'skopeo copy of another image',
    'GET /v2/token?account=me&scope=repository%3Aimages%2Fbase%3Apull&scope=repository%3Aimages%2Fapp%3Apull%2Cpush&service=gw',
    ['User-Agent: skopeo/1.9.3', basic('me:K')],
    '',
  ],
  [
    'containerd',
    'POST /v2/token',
    ['User-Agent: containerd/1.7.24', 'Content-Type: application/x-www-form-urlencoded; charset=utf-8'],
    'client_id=containerd-client&grant_type=password&password=K&scope=repository%3Aimages%2Fapp%3Apull&service=gw&username=me',
  ],
  [
    'helm push',
    'POST /v2/token',
    ['User-Agent: Helm/3.16.3', 'Content-Type: application/x-www-form-urlencoded'],
    'client_id=oras-go&grant_type=password&password=K&scope=repository%3Aimages%2Fapp%3Apull%2Cpush&service=gw&username=me',
  ],
  [
    'docker with an identity token',
    'POST /v2/token',
    ['User-Agent: docker/27.3.1', 'Content-Type: application/x-www-form-urlencoded'],
    'client_id=docker&grant_type=refresh_token&refresh_token=K&scope=repository%3Aimages%2Fapp%3Apull&service=gw',
  ],
]

for (const [name, line, fields, form] of TOKENS) {
  t.test(`${name} gets a token for its key, and pulls with it`, async (t) => {
    const trust = { trustedProxies: null, publicProto: null, publicHost: null, isLoopback: true }
    const images = { name: 'images', kind: 'oci', path: '/v2/images/' } as const
    const gateway = await startGateway(t, { routes: [images], trust })
    const client = await gateway.client()
    const body = form.replace('=K', `=${gateway.key.text}`)
    const head = [`${line} HTTP/1.1`, 'Host: gw', ...fields.map((field) => filled(field, gateway.key.text))]
    if (body !== '') head.push(`Content-Length: ${body.length}`)
    client.send(`${head.join('\r\n')}\r\n\r\n${body}`)
    const { token } = JSON.parse((await client.message()).body) as { token: string }
    client.send(
      `GET /v2/images/app/manifests/1 HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    )
    const { wire, message } = await gateway.upstream.request()
    t.equal(message.field('authorization'), null)
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    t.equal((await client.message()).status, 200)
    const entry = { tenant: 'acme', keyId: gateway.key.id }
    await gateway.finish(t, [
      { ...entry, outcome: 'answered' },
      { ...entry, outcome: 'forwarded' },
    ])
  })
}
