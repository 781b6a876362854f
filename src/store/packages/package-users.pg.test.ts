import t from 'tap'
import { PURL_TYPES } from '../../artifacts/purl-types.ts'
import { PackageMatcher } from '../../model/artifact/package-matcher.ts'
import type { PackageUsers } from '../../model/artifact/package-use.ts'
import { testDatabase } from '../../test/database.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { closeSql, openReader } from '../sql.ts'
import { findPackageUsers, type UsersFilter } from './package-users.ts'

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 30_000 })
t.teardown(() => closeSql(reader, 1000))

const start = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000)
await ensurePartitions(sql, new Date(start.getTime() - 86_400_000), 3)
await sql`INSERT INTO tenants (slug) VALUES ('acme'), ('globex')`
await sql`
  INSERT INTO api_keys (id, digest, tenant, name, scopes) VALUES
    ('keyacme00001', ${'a'.repeat(64)}, 'acme', 'ci', '{npm:read}'), ('keyglobex001', ${'b'.repeat(64)}, 'globex', NULL, '{npm:read}')`
await sql`UPDATE api_keys SET revoked_at = now() WHERE id = 'keyglobex001'`

interface Row {
  readonly tenant?: string | null
  readonly key?: string | null
  readonly route?: string
  readonly ecosystem?: string
  readonly name?: string
  readonly version?: string | null
  readonly qualifiers?: string | null
  readonly kind?: string
  readonly method?: string
  readonly status?: number
  readonly outcome?: string
  readonly reason?: string | null
  readonly ip?: string
  readonly agent?: string
  readonly minute?: number
}

let seq = 0
async function insert(...rows: Row[]): Promise<void> {
  for (const row of rows) {
    const { tenant = 'acme', key = 'keyacme00001', route = 'npm', ecosystem = 'npm', name = 'left-pad' } = row
    const { version = '1.3.0', qualifiers = null, kind = 'artifact', method = 'GET', status = 200 } = row
    const { outcome = 'forwarded', reason = null, ip = '10.0.0.1', agent = 'npm/10', minute = 1 } = row
    await sql`
      INSERT INTO access_log (id, started_at, tenant, key_id, route, kind, method, path, status, outcome, reason, bytes_received, bytes_sent,
        duration_us, client_ip, user_agent, ecosystem, package, version, qualifiers, artifact_kind, instance, seq)
      VALUES (gen_random_uuid(), ${new Date(start.getTime() + minute * 60_000)}, ${tenant}, ${key}, ${route}, 'npm', ${method}, '/x', ${status},
        ${outcome}, ${reason}, 10, 1000, 10, ${ip}, ${agent}, ${ecosystem}, ${name}, ${version}, ${qualifiers}, ${kind},
        '00000000-0000-4000-8000-000000000001', ${++seq})`
  }
}

function ask(question: string, filter: UsersFilter = {}): Promise<PackageUsers> {
  const matcher = new PackageMatcher(question, null, [...new Set(PURL_TYPES.values())])
  return findPackageUsers(reader, matcher, filter, PURL_TYPES)
}

/** `tenant use×requests` of each user. */
const usesOf = ({ users }: PackageUsers): string[] =>
  users.map(
    ({ tenant, use, outcome, requests }) =>
      `${tenant ?? '-'} ${use}${outcome === null ? '' : `(${outcome})`}×${requests}`,
  )

t.test('each request counts as what it was', async (t) => {
  const name = 'uses'
  await insert(
    { name },
    { name, method: 'HEAD' },
    { name, status: 206 },
    { name, status: 206 },
    { name, outcome: 'upstream_reset', reason: 'truncated' },
    { name, outcome: 'client_closed' },
    { name, outcome: 'client_closed', status: 499 },
    { name, outcome: 'unauthenticated', reason: 'revoked_key', status: 200 },
    { name, status: 304 },
    { name, status: 302 },
    { name, status: 404 },
    { name, status: 502, outcome: 'upstream_refused', reason: 'connection_refused' },
    { name, status: 403, outcome: 'forbidden', reason: 'scope' },
    { name, status: 401, outcome: 'unauthenticated', tenant: null, key: null },
    { name, kind: 'metadata' },
    { name, kind: 'index', version: null },
    { name, kind: 'upload', method: 'PUT', status: 201 },
    { name, kind: 'upload', method: 'PUT', status: 409 },
    { name, kind: 'upload', method: 'GET' },
  )
  const found = await ask(`pkg:npm/${name}`)
  t.strictSame(usesOf(found), [
    'acme download×1',
    'acme partial×5',
    'acme redirected×1',
    'acme unchanged×1',
    'acme upload×1',
    'acme lookup×4',
    'acme failed(client_closed)×1',
    'acme failed(forwarded)×2',
    'acme failed(upstream_refused)×1',
    'acme refused(forbidden)×1',
    '- refused(unauthenticated)×1',
  ])
  t.match(found.users[0], { keyId: 'keyacme00001', keyName: 'ci', keyState: 'active', bytesSent: 1000 })
})

t.test('keys are named when they are revoked, and users are told by time, address and agent', async (t) => {
  const [name, globex] = ['told', { tenant: 'globex', key: 'keyglobex001' }]
  for (let i = 0; i < 12; i++)
    await insert({
      name,
      ...globex,
      ip: `10.0.0.${i % 7}`,
      agent: `agent ${i % 4}`,
      version: `1.${i}.0`,
      minute: 10 + i,
    })
  await insert({ name, ...globex, ip: '10.0.0.6', agent: 'agent 3', version: '1.11.0', minute: 9 })
  const { users, userCount } = await ask(`pkg:npm/${name}`)
  t.equal(userCount, 1)
  t.match(users[0], {
    purl: 'pkg:npm/told',
    keyId: 'keyglobex001',
    keyName: null,
    keyState: 'revoked',
    requests: 13,
    bytesSent: 13_000,
    firstAt: new Date(start.getTime() + 9 * 60_000),
    lastAt: new Date(start.getTime() + 21 * 60_000),
    addresses: { more: 2 },
    userAgents: { more: 1 },
    versions: { more: 2 },
  })
  t.equal(users[0]?.addresses.values.length, 5)
  t.equal(users[0]?.userAgents.values[0], 'agent 3', 'the most frequent first')
  t.equal(users[0]?.versions.values[0], '1.11.0')
})

t.test('versions and ranges narrow; what has no version, or none that compares, is counted', async (t) => {
  const name = 'ranged'
  await insert(
    { name, version: '1.1.0' },
    { name, version: '1.2.0' },
    { name, version: '1.9.0', tenant: 'globex', key: 'keyglobex001' },
    { name, version: '2.0.0' },
    { name, version: 'canary' },
    { name, version: null, kind: 'index' },
    { name, version: null, kind: 'upload', method: 'PUT' },
  )
  const found = await ask(`pkg:npm/${name}@>=1.2 <2`)
  t.strictSame(usesOf(found), ['acme download×1', 'globex download×1'])
  t.match(found, { unversioned: 1, incomparable: 1, incomparableVersions: { values: ['canary'], more: 0 } })
  t.strictSame(usesOf(await ask(`pkg:npm/${name}@v1.2.0`)), ['acme download×1'])
  t.strictSame(usesOf(await ask(`pkg:npm/${name}@9`)), [])
})

t.test('a package is found in every spelling, and by its bare name', async (t) => {
  await insert(
    { ecosystem: 'apt', name: 'debian/curl', version: '7.88.1-10', qualifiers: 'arch=amd64' },
    { ecosystem: 'apt', name: 'debian/curl', version: '7.88.1-10', qualifiers: 'arch=arm64' },
    { ecosystem: 'pypi', name: 'zope-interface', version: '5.0' },
    { ecosystem: 'cargo', name: 'Sha_1', version: '0.10.1' },
    { ecosystem: 'go', name: 'github.com/BurntSushi/toml', version: 'v1.3.2' },
    { ecosystem: 'go', name: 'example.com/Mod/v2', version: 'v2.0.0' },
    {
      ecosystem: 'maven',
      name: 'org.apache.commons/commons-lang3',
      version: '3.14.0',
      qualifiers: 'type=pom',
    },
    {
      ecosystem: 'oci',
      name: 'debian',
      version: null,
      qualifiers: 'repository_url=registry.example%2Flibrary%2Fdebian&tag=12',
    },
    { ecosystem: 'npm', name: '@babel/core', version: '7.1.0' },
    { ecosystem: 'npm', name: 'JSONStream', version: '1.0.0' },
    { ecosystem: 'generic', name: 'acme/tool', version: 'v1.0' },
  )
  const purlsOf = async (question: string): Promise<string[]> =>
    (await ask(question)).users.map(({ purl, versions }) => `${purl}@${versions.values.join()}`)
  for (const [question, ...expected] of [
    ['curl', 'pkg:deb/debian/curl@7.88.1-10?arch=amd64,7.88.1-10?arch=arm64'],
    ['pkg:deb/curl?arch=arm64', 'pkg:deb/debian/curl@7.88.1-10?arch=arm64'],
    ['pkg:deb/debian/curl@0:7.88.1-10?arch=amd64', 'pkg:deb/debian/curl@7.88.1-10?arch=amd64'],
    ['pkg:pypi/Zope.Interface', 'pkg:pypi/zope-interface@5.0'],
    ['zope__interface', 'pkg:pypi/zope-interface@5.0'],
    ['pkg:cargo/sha-1', 'pkg:cargo/Sha_1@0.10.1'],
    ['pkg:golang/github.com/burntsushi/toml', 'pkg:golang/github.com/BurntSushi/toml@v1.3.2'],
    ['pkg:golang/example.com/mod/v2@2.0.0', 'pkg:golang/example.com/Mod/v2@v2.0.0'],
    ['commons-lang3', 'pkg:maven/org.apache.commons/commons-lang3@3.14.0?type=pom'],
    ['org.apache.commons:commons-lang3:3.14.0', 'pkg:maven/org.apache.commons/commons-lang3@3.14.0?type=pom'],
    ['library/debian:12', 'pkg:oci/debian@?repository_url=registry.example%2Flibrary%2Fdebian&tag=12'],
    ['@babel/core@7', 'pkg:npm/%40babel/core@7.1.0'],
    ['acme/tool@1.0', 'pkg:generic/acme/tool@v1.0'],
    ['pkg:npm/jsonstream'],
    ['core'],
  ] as const) {
    t.strictSame(await purlsOf(question), expected, question)
  }
  t.match((await ask('pkg:npm/jsonstream')).likeNamed, { values: ['npm/JSONStream'] })
  t.match((await ask('pkg:npm/jsonstream@1')).likeNamed, { values: ['npm/JSONStream'] })
})

t.test('a tenant, a route and a time narrow', async (t) => {
  const name = 'narrow'
  await insert(
    { name, minute: 1 },
    { name, minute: 2, route: 'other' },
    { name, minute: 3, tenant: 'globex', key: 'keyglobex001' },
  )
  const at = (minute: number): Date => new Date(start.getTime() + minute * 60_000)
  t.strictSame(usesOf(await ask(name, { tenant: 'globex' })), ['globex download×1'])
  t.strictSame(usesOf(await ask(name, { route: 'other' })), ['acme download×1'])
  t.strictSame(usesOf(await ask(name, { since: at(2), until: at(3) })), ['acme download×1'])
  t.strictSame(usesOf(await ask(`${name}@1.3.0`, { tenant: 'nobody' })), [])
})
