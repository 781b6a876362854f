import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { testApi } from '../../test/api/api.ts'
import { testIo } from '../../test/cli-io.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance } from '../../test/ledger.ts'
import { runCli } from '../program.ts'

t.setTimeout(240_000)

const [direct, behind] = [await testDatabase(t), await testDatabase(t)]
const api = await testApi(t, behind)
const token = await api.tokenFor('admin')
const url = `http://127.0.0.1:${api.port}`
const startedAt = new Date(Date.now() - 600_000)
const instance = new TestInstance(behind.sql)

/** The same state in both: entries of two tenants, of which only one is there. */
for (const { sql } of [direct, behind]) {
  await ensurePartitions(sql, new Date(startedAt.getTime() - 86_400_000), 3)
  const own = new TestInstance(sql, instance.id)
  const entry = { startedAt, upstream: 'up:80', package: 'left-pad' }
  const rows = Array.from({ length: 1200 }, (_, i) => ({
    ...entry,
    startedAt: new Date(startedAt.getTime() + i),
    tenant: i % 3 === 0 ? 'old-tenant' : 'acme',
    path: `/left-pad/${i}`,
    status: i % 7 === 0 ? 404 : 200,
  }))
  await own.store(own.seal(rows))
  await sql`UPDATE access_log SET id = md5(seq::text)::uuid`
  for (const [seq, row] of [
    [9001, Buffer.from([0xff, 0x09, 0x41])],
    [9002, Buffer.from('no row')],
  ] as const)
    await sql`
      INSERT INTO quarantine (instance, seq, tenant, code, detail, row)
      VALUES (${instance.id}, ${seq}, 'acme', '22P02', 'what it said', ${row})`
}

const run = async (args: readonly string[], env: Record<string, string>) => {
  const io = testIo(args, { cwd: t.testdirName, env, stdin: Readable.from([]), now: () => Date.now() })
  const code = await runCli(io, () => Promise.reject(new Error('serve was called')))
  return { code, ...io.written }
}
const onDatabase = (args: readonly string[]) => run(args, { DATABASE_URL: direct.url })
const onApi = (args: readonly string[], env: Record<string, string> = {}) =>
  run(args, { WAYBILL_URL: url, WAYBILL_TOKEN: token, ...env })

/** What differs by nature: ids and secrets that are drawn, moments, who did it by which way, and where the data are. */
async function plain({ code, stdout, stderr }: Awaited<ReturnType<typeof run>>): Promise<string> {
  const drawn = new Set<unknown>()
  for (const { sql } of [direct, behind])
    for (const { id } of await sql`SELECT id FROM api_keys UNION ALL SELECT id FROM admin_tokens`)
      drawn.add(id)
  const text = `${code}\n${stdout}\n--\n${stderr.replaceAll(/^database: .*\n/gm, '')}`
  return text
    .replaceAll(/wb_\w+/g, '<key>')
    .replaceAll(/wba?t?_\w+/g, '<token>')
    .replaceAll(/\b[0-9a-z]{12}\b/g, (id) => (drawn.has(id) ? '<id>' : id))
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)/g, '<time>')
    .replaceAll(/"seq":\d+,"at"/g, '"seq":0,"at"')
    .replaceAll(/"(actor|via|from|role)":"[^"]*"/g, '"$1":""')
}

/** In order: each is run on both, and changes both alike. KEY and TOKEN are ids of what was made before. */
const COMMANDS: readonly string[] = [
  'tenants create acme --rate 50:100 --route-rate npm=5',
  'tenants create acme',
  'tenants create globex --json',
  'tenants list',
  'tenants list --json',
  'tenants show acme --json',
  'tenants show acmee',
  'tenants set acme --concurrency 4 --route-rate pip=1:2',
  'tenants set acme --concurrency 4 --if-version 1',
  'tenants set acmee --concurrency 4',
  'tenants suspend globex',
  'tenants suspend globex --wait',
  'tenants resume globex --json',
  'keys mint --tenant acme --scope npm:read --name ci --allow-ip 10.1.2.3/8 --rate 5 --expires 2035-01-01',
  'keys mint --tenant acmee --scope npm:read --no-create-tenant',
  'keys mint --tenant initech --json',
  'keys mint --tenant initech --expires 2001-01-01',
  'keys list',
  'keys list --json --all',
  'keys list --tenant nobody',
  'keys show KEY --json',
  'keys show 0a1b2c3d4e5f',
  'keys set KEY --name build --rate none',
  'keys set KEY --name other --if-version 1',
  'keys rotate KEY --overlap 1h --json',
  'keys rotate KEY --overlap 1h',
  'keys revoke KEY --wait',
  'keys revoke KEY --json',
  'keys list --format csv',
  'tokens create --name ann --role tenant --tenant acme --json',
  'tokens create --name ann --role tenant --tenant nobody',
  'tokens revoke TOKEN --json',
  'tokens revoke TOKEN',
  'logs --limit 3',
  'logs --limit 3 --tenant acme --json',
  'logs --limit all --format ndjson --status 404',
  'logs --format csv --since 1h --path /left-pad/11',
  'logs --limit 1100 --format ndjson',
  'logs --tenant nobody',
  'logs --tenant old-tenant --limit 2',
  'logs --route nmp',
  'logs --package left-pad --packages --limit 2 --slower 0ms',
  'usage --since 2d',
  'usage --since 2d --json --tenant acme --timezone Pacific/Auckland',
  'usage --since 2d --by tenant,class --sort -requests --total',
  'usage --since 2d --by month',
  'usage --tenant nobody',
  'admin-log --json --subject tenant',
  'admin-log --format ndjson --limit 2 --subject key',
  'who left-pad --quick --since 1h --until 1m --format csv',
  'who left-pad --quick --since 1h --until 1m --tenant acme',
  'who no-such-package --quick --since 1h --until 1m',
  'who left-pad --quick --route nmp --since 1h --until 1m',
  'quarantine list --json',
  'quarantine list --tenant nobody',
  'quarantine show 1 --json',
  'quarantine show 1',
  'quarantine show 99',
  'quarantine drop 1 --yes',
  'quarantine drop 99 --yes',
  'quarantine retry --all',
  'quarantine list --all --format csv',
  'retention show',
  'retention set 40',
  'retention show --json',
  'sessions list --json',
  'sessions end 0a1b2c3d4e5f',
  'tenants delete globex --yes',
  'tenants suspend globex',
]

t.test('each command says the same of a database and of the API in front of one', async (t) => {
  const ids = { direct: new Map<string, string>(), behind: new Map<string, string>() }
  for (const command of COMMANDS) {
    const argsOf = (known: ReadonlyMap<string, string>): string[] =>
      command.split(' ').map((word) => known.get(word) ?? word)
    const one = await onDatabase(argsOf(ids.direct))
    const other = await onApi(argsOf(ids.behind))
    t.equal(await plain(other), await plain(one), command)
    for (const [known, { stdout }] of [
      [ids.direct, one],
      [ids.behind, other],
    ] as const) {
      if (command.startsWith('keys mint --tenant initech --json')) known.set('KEY', idIn(stdout))
      if (command.startsWith('tokens create --name ann --role tenant --tenant acme'))
        known.set('TOKEN', idIn(stdout))
    }
  }
})

function idIn(stdout: string): string {
  return (JSON.parse(stdout) as { id: string }).id
}

t.test('every change of a long admin log is printed once, over HTTP as from the database', async (t) => {
  // More than pages have, of the command (500) and of the API (1000).
  for (const { sql } of [direct, behind])
    for (let i = 0; i < 1203; i++)
      await sql`UPDATE tenants SET max_concurrency = ${i + 1}, version = version + 1 WHERE slug = 'acme'`
  for (const args of ['admin-log --format ndjson --subject tenant', 'admin-log --json --limit 1101']) {
    const [one, other] = [await onDatabase(args.split(' ')), await onApi(args.split(' '))]
    t.equal(await plain(other), await plain(one), args)
    t.equal(other.code, 0, other.stderr)
  }
  const { stdout } = await onApi(['admin-log', '--format', 'ndjson', '--subject', 'tenant:acme'])
  const seqs = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { seq: number }).seq)
  t.ok(seqs.length > 1203)
  t.equal(new Set(seqs).size, seqs.length)
})

t.test('a duration counts by the clock of the database, over HTTP as well', async (t) => {
  const ahead = await testDatabase(t)
  const name = new URL(ahead.url).pathname.slice(1)
  await ahead.sql`CREATE SCHEMA ahead`
  await ahead.sql`
    CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS $$ SELECT pg_catalog.clock_timestamp() + interval '30 days' $$`
  await ahead.sql`ALTER DATABASE ${ahead.sql(name)} SET search_path = ahead, pg_catalog, public`
  const gateway = await testApi(t, ahead)
  const env = {
    WAYBILL_URL: `http://127.0.0.1:${gateway.port}`,
    WAYBILL_TOKEN: await gateway.tokenFor('admin'),
  }
  const mint = ['keys', 'mint', '--tenant', 'acme', '--expires', '10d', '--json']
  for (const there of [{ DATABASE_URL: ahead.url }, env]) {
    const { code, stdout, stderr } = await run(mint, there)
    t.equal(code, 0, stderr)
    const { expiresAt } = JSON.parse(stdout) as { expiresAt: string }
    t.ok(Date.parse(expiresAt) > Date.now() + 39 * 86_400_000, expiresAt)
  }
})

t.test('entries are followed over HTTP, from since on, none twice', async (t) => {
  const io = testIo(['logs', '--follow', '--since', '1h', '--status', '404', '--format', 'ndjson'], {
    cwd: t.testdirName,
    env: { WAYBILL_URL: url, WAYBILL_TOKEN: token },
    now: () => Date.now(),
  })
  const ended = runCli(io, () => Promise.reject(new Error('serve was called')))
  const lines = () => io.written.stdout.split('\n').filter(Boolean)
  while (lines().length < 172) await new Promise((resolve) => setImmediate(resolve))
  const later = new TestInstance(behind.sql)
  await later.store(later.seal([{ tenant: 'acme', startedAt: new Date(), status: 404, path: '/later' }]))
  while (!io.written.stdout.includes('/later')) await new Promise((resolve) => setImmediate(resolve))
  io.signal('SIGINT')
  t.equal(await ended, 0)
  t.equal(new Set(lines()).size, 173)
  t.equal(lines().length, 173)
})

t.test('until alone asks for the time before it, not for that before now', async (t) => {
  const audited = await onApi(['audit', '--until', '8d', '--json'])
  t.equal(audited.stderr, '')
  const { since, until } = JSON.parse(audited.stdout) as { since: string; until: string }
  t.equal(Date.parse(until) - Date.parse(since), 7 * 86_400_000)
  const asked = await onApi(['who', 'left-pad', '--until', '400d', '--json'])
  t.match(JSON.parse(asked.stdout || 'null'), { users: [] }, asked.stderr)
})

t.test('what needs the database itself says so, and why', async (t) => {
  for (const [command, why] of [
    ['migrate', /schema/],
    ['backup x', /whole/],
    ['identify --since 1d', /rows/],
    ['admin-log --verify', /chain|record/],
  ] as const) {
    const { code, stderr } = await onApi(command.split(' '))
    t.equal(code, 2, command)
    t.match(stderr, /needs the database itself/, command)
    t.match(stderr, why, command)
  }
  for (const command of ['audit --deep', 'audit --settle 1s', 'who left-pad --settle 1s']) {
    const { code, stderr } = await onApi(command.split(' '))
    t.equal(code, 2, command)
    t.match(stderr, /needs the database itself/, command)
  }
})

t.test('a token is shown to nobody: not without TLS, not in arguments, not in messages', async (t) => {
  for (const place of [
    'http://gateway.example.test:8090',
    `http://ann:secret@127.0.0.1:${api.port}`,
    'ftp://x',
  ]) {
    const { code, stderr } = await onApi(['tenants', 'list', '--url', place])
    t.equal(code, 2, place)
    t.notMatch(stderr, /secret|waybill_/)
  }
  const wrong = await onApi(['tenants', 'list'], { WAYBILL_TOKEN: 'not-a-token-of-anybody' })
  t.match(wrong, { code: 1, stderr: /does not take the token/ })
  t.notMatch(wrong.stderr, 'not-a-token-of-anybody')
  const file = join(await mkdtemp(t.testdir({ tokens: {} })), 'token')
  await writeFile(file, `${token}\n`)
  const read = await run(['tenants', 'list', '--url', url, '--token-file', file], {})
  t.equal(read.code, 0, read.stderr)
  await writeFile(file, '')
  const empty = await run(['tenants', 'list', '--url', url], { WAYBILL_TOKEN_FILE: file })
  t.match(empty, { code: 2, stderr: /WAYBILL_TOKEN_FILE: .* is empty/ })
})

t.test('an address where something else answers, or nothing, is named', async (t) => {
  const other = createServer((_, response) => void response.writeHead(502).end('<html>'))
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  t.match(await onApi(['tenants', 'list', '--url', `http://127.0.0.1:${port}`]), {
    code: 1,
    stderr: /not the API of Waybill \(status 502\)/,
  })
  other.close()
  await once(other, 'close')
  t.match(await onApi(['tenants', 'list', '--url', `http://127.0.0.1:${port}`]), {
    code: 1,
    stderr: /cannot be reached \(ECONNREFUSED\)/,
  })
})
