import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { packBody } from '../../../deliveries/pack-body.ts'
import { createTenant } from '../../../store/directory/tenants.ts'
import { testApi } from '../../../test/api/api.ts'
import { TestDeliveries } from '../../../test/api/deliveries.ts'
import { TestRows } from '../../../test/api/rows.ts'
import { testIo } from '../../../test/cli-io.ts'
import { testDatabase } from '../../../test/database.ts'
import { runCli } from '../../program.ts'

const database = await testDatabase(t)
const api = await testApi(t, database)
const token = await api.tokenFor('operator')
await createTenant(database.sql, 'acme', {})
const rows = await TestRows.open(database.sql)
const deliveries = await TestDeliveries.open(database.sql)
const key = randomBytes(32)
const cwd = t.testdir({
  'waybill.yaml': JSON.stringify({
    deliveries: { encryptionKeys: `k1:${key.toString('base64')}` },
    routes: ['masked', 'copied'].map((name) => ({
      name,
      kind: 'integration',
      path: `/${name}/`,
      upstream: 'http://127.0.0.1:9',
      upstreamAuth: { header: { name: 'X-Upstream-Key', value: 'up5tream' } },
      auth: 'key',
      mode: 'accept',
      deliver: { mask: ['$.secret', '$.user.token', 'header:X-Api-Key'] },
    })),
  }),
})

const run = async (args: string, env: Record<string, string> = { DATABASE_URL: database.url }) => {
  const io = testIo(['deliveries', ...args.split(' ')], { cwd, env, now: () => Date.now() })
  const code = await runCli(io, () => Promise.reject(new Error('serve was called')))
  return { code, ...io.written }
}
const REMOTE = { WAYBILL_URL: `http://127.0.0.1:${api.port}`, WAYBILL_TOKEN: token }

const FIELDS = [
  ['content-type', 'application/json'],
  ['x-api-key', 'k3y'],
  ['authorization', 'Bearer b3arer'],
  ['x-upstream-key', 'up5tream'],
].flat()

/** Keeps a body of a route, as a gateway with the key would. */
async function kept(route: string, body: string | Buffer): Promise<string> {
  const bytes = Buffer.from(body as string)
  const packed = await packBody(bytes, [{ id: 'k1', key }])
  const head = {
    method: 'POST',
    path: '/x',
    shown: '/masked/x?k=1',
    query: '?k=1',
    host: null,
    fields: FIELDS,
  }
  const [id = ''] = await deliveries.keep(1, { route, packed, head, bodyBytes: bytes.length })
  return id
}

t.test(
  'deliveries are listed, shown, repeated, dropped and accounted alike, by the API and on the database',
  async (t) => {
    for (const [route, env] of [
      ['direct', undefined],
      ['remote', REMOTE],
    ] as const) {
      const ids = await deliveries.keep(4, { route, requestId: `of-${route}` })
      await deliveries.end(route, 'dead')
      const listed = JSON.parse((await run(`list --route ${route} --json`, env)).stdout) as { id: string }[]
      t.same(listed.map(({ id }) => id).toReversed(), ids, route)
      t.match(JSON.parse((await run(`list --route ${route} --limit 1 --json`, env)).stdout), [{ id: ids[3] }])
      const [first = '', second = ''] = ids
      await rows.store([
        {
          tenant: 'acme',
          route,
          request_id: first,
          outcome: 'delivery_failed',
          status: 500,
          reason: 'status',
        },
      ])
      const shown = await run(`show ${first}`, env)
      t.match(
        shown.stdout,
        new RegExp(`id: ${first}\n(.*\n)*state: dead\n(.*\n)*attempt: \\S+ delivery_failed 500 status`),
      )
      t.match(JSON.parse((await run(`show ${first} --json`, env)).stdout), {
        id: first,
        entries: [{ outcome: 'delivery_failed' }],
      })
      t.match(await run(`redeliver ${first}`, env), {
        code: 0,
        stdout: /^1 to be delivered again, as [0-9a-f-]{36}\n$/,
      })
      t.match(await run(`redeliver ${first}`, env), { code: 1, stderr: /was delivered again as/ })
      t.match(await run(`drop ${second} --yes`, env), { code: 0, stdout: '1 dropped\n' })
      t.match(await run(`redeliver --all --route ${route}`, env), {
        code: 0,
        stdout: '2 to be delivered again\n',
      })
      await deliveries.end(route, 'delivered')
      t.match(
        await run(`redeliver --all --route ${route}`, env),
        { stdout: '0 to be delivered again\n' },
        'dead ones only',
      )
      const replayed = await run(`replay --route ${route} --since 1h`, env)
      t.match(
        replayed,
        { code: 0, stdout: '4 to be delivered again\n' },
        'delivered and dropped ones, each once',
      )
      t.match(await run(`drop --all --route ${route} --yes`, env), { code: 0, stdout: '4 dropped\n' })
      const until = new Date(deliveries.startMs + 3_600_000).toISOString()
      const books = await run(`account --tenant acme --since 1h --until ${until} --json`, env)
      t.match(books, { code: 0 })
      t.match(JSON.parse(books.stdout), [{ tenant: 'acme', missing: 0 }])
      const nobody = '019ac0de-0000-7000-8000-000000000000'
      t.match(await run(`show ${nobody}`, env), { code: 1, stderr: /no delivery/ })
      t.match(await run(`drop ${nobody} --yes`, env), { code: 1, stderr: /no delivery/ })
    }
  },
)

t.test('what cannot be meant is refused', async (t) => {
  const id = '019ac0de-0000-7000-8000-000000000000'
  for (const [args, why] of [
    ['show 1', 'is not the id'],
    ['redeliver', '--all'],
    [`redeliver ${id} --all`, '--all'],
    [`redeliver ${id} --route x`, '--route needs --all'],
    [`drop ${id}`, '--yes'],
    ['drop --all --yes --state delivered', '--state'],
    ['redeliver --all --state waiting', '--state'],
    ['replay --route x', '--since is required'],
    ['replay --since 1h', '--route is required'],
    ['replay --since 1h --route x --limit 3', '--limit needs --to'],
    ['replay --since 1h --route x --to ftp://example.test', '--to'],
    ['replay --since 1h --route x --to http://u:p@example.test', '--to'],
    ['replay --since 1h --route x --to http://127.0.0.1:9', 'route x is not in the configuration'],
    ['list --since 1h --until 2h', 'before --until'],
  ] as const)
    t.match(await run(args), { code: 2, stderr: why }, args)
  t.match(await run(`show ${id} --body`, REMOTE), { code: 2, stderr: /needs the database itself/ })
  t.match(await run('replay --since 1h --route copied --to http://127.0.0.1:9', REMOTE), {
    code: 2,
    stderr: /needs the database itself/,
  })
})

t.test('what was sent is shown on demand only, without what is masked', async (t) => {
  const id = await kept('masked', '{"secret":"s3cret","user":{"token":"t0ken","name":"ann"},"n":1}')
  t.notMatch((await run(`show ${id}`)).stdout, /ann|content-type|s3cret/)
  for (const args of [`show ${id} --body`, `show ${id} --body --json`]) {
    const { code, stdout } = await run(args)
    t.equal(code, 0)
    t.match(stdout, /ann/)
    t.match(stdout, /content-type/)
    t.notMatch(stdout, /s3cret|t0ken|k3y|b3arer|up5tream/)
  }
  const form = await kept('masked', 'secret=s3cret')
  t.match(await run(`show ${form} --body`), {
    code: 0,
    stdout: /the body is not shown: it is not JSON.*\$\.secret/,
  })
  const other = await kept('unknown', '{"secret":"s3cret"}')
  const { stdout } = await run(`show ${other} --body`)
  t.match(stdout, /the body is not shown: route unknown is not in the configuration/)
  t.notMatch(stdout, /s3cret|k3y/)
  const bytes = await kept('masked', Buffer.from([0xff, 0x00]))
  t.match((await run(`show ${bytes} --body`)).stdout, /not shown/)
})

t.test(
  'copies go to another address with what the sender sent, without credentials, outside of the books',
  async (t) => {
    const got: { url: string; body: string; headers: Record<string, unknown> }[] = []
    const server = createServer((req, res) => {
      void text(req).then((body) => {
        got.push({ url: req.url ?? '', body, headers: req.headers })
        res.writeHead(got.length === 2 ? 500 : 200).end('x'.repeat(100_000))
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const to = `http://127.0.0.1:${(server.address() as AddressInfo).port}/debug`
    const [one, two] = [
      await kept('copied', '{"secret":"s3cret"}'),
      await kept('copied', Buffer.from([0, 0xff])),
    ]
    const before = await database.sql`SELECT count(*) FROM deliveries`
    const reply = await run(`replay --since 1h --route copied --to ${to}`)
    t.match(reply, { code: 1, stdout: `${one} 200\n${two} 500\n` }, 'one was not taken')
    t.equal(got[0]?.url, '/debug?k=1')
    t.equal(got[0]?.body, '{"secret":"s3cret"}')
    t.match(got[0]?.headers, {
      'x-api-key': 'k3y',
      'content-type': 'application/json',
      'waybill-delivery-id': one,
      'waybill-replay': 'true',
    })
    t.notMatch(JSON.stringify(got[0]?.headers), /authorization|b3arer|up5tream/)
    t.same(await database.sql`SELECT count(*) FROM deliveries`, before)
    const limited = await run(`replay --since 1h --route copied --limit 1 --to ${to}?own=1`)
    t.match(limited, { code: 0, stdout: `${one} 200\n`, stderr: /there may be others/ })
    t.equal(got[2]?.url, '/debug?own=1')
    const none = await run('replay --since 1h --route copied --limit 1 --to http://127.0.0.1:9')
    t.match(none, { code: 1, stdout: /failed: ECONNREFUSED/ })
  },
)
