import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand, type Finished } from './harness/child.ts'
import { testDatabase } from './harness/database.ts'
import { startForwarder } from './harness/failure-forwarder.ts'
import { startGateway } from './harness/gateway.ts'
import { MAIN, productNode, testFolder } from './harness/product.ts'

type Env = Readonly<Record<string, string>>

/** Runs a command of the product in an empty folder. */
async function waybill(t: Test, args: readonly string[], env: Env = {}): Promise<Finished> {
  return runCommand(productNode(), [MAIN, ...args], { cwd: await testFolder(t), env })
}

const ROUTE = { name: 'files', kind: 'generic', path: '/files/', upstream: 'http://127.0.0.1:1/' }

t.test('a wrong configuration is refused with all of its problems, and without its secrets', async (t) => {
  const folder = await testFolder(t)
  const file = join(folder, 'waybill.yaml')
  await writeFile(
    file,
    `listen: { port: 99999, prot: 1 }
shutdown: { graceMs: soon }
routes:
  - { name: NPM, kind: npm, path: /npm/, upstream: "http://127.0.0.1:1/" }
  - { name: a, kind: rpm, path: npm, upstream: "ftp://127.0.0.1/" }
  - { name: b, kind: npm, path: /b/, upstream: "http://127.0.0.1:1/", upstreamAuth: { bearer: "\${env:NOT_SET}" } }
`,
  )
  const env = { DATABASE_URL: 'postgres://u:hunter2secret@127.0.0.1:1/db?sslmode=nonsense' }
  for (const args of [
    ['serve', '--config', file],
    ['config', 'check', '--config', file],
  ]) {
    const { code, stdout, stderr } = await waybill(t, args, env)
    const text = stdout + stderr
    t.equal(code, 2, `${args[0]} exits with 2`, { text })
    for (const problem of ['listen.port', 'prot', 'shutdown.graceMs', 'NPM', 'kind', 'path', 'NOT_SET']) {
      t.ok(text.includes(problem), `${args[0]} names ${problem}`, { text })
    }
    t.notMatch(text, 'hunter2secret', 'no password')
    t.notMatch(text, /\n\s+at /, 'no stack')
  }
  await writeFile(
    file,
    'admin: { host: 0.0.0.0 }\naccessLog: { flushEntries: 500, maxBatchEntries: 100 }\nshutdown: { graceMs: 1s }\n',
  )
  const crossed = await waybill(t, ['config', 'check', '--config', file])
  t.equal(crossed.code, 2)
  for (const option of [
    'admin.token',
    'accessLog.flushEntries',
    'accessLog.maxBatchEntries',
    'shutdown.graceMs',
  ]) {
    t.ok((crossed.stdout + crossed.stderr).includes(option), `options that do not fit together: ${option}`)
  }
  await writeFile(file, 'listen: [unclosed\n')
  const { code, stderr } = await waybill(t, ['serve', '--config', file])
  t.equal(code, 2)
  t.match(stderr, file, 'a file that is no YAML is named')
})

t.test('wrong commands and arguments are refused, all at once, before anything is touched', async (t) => {
  const env = { DATABASE_URL: 'postgres://u:p@127.0.0.1:1/db' }
  const unknown = await waybill(t, ['tennants', 'list'], env)
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, /unknown command 'tennants'/)
  t.match(unknown.stderr, /tenants/, 'what was meant is suggested')

  const args = [
    'keys',
    'mint',
    '--tenant',
    'Acme!',
    '--scope',
    'npm',
    '--expires',
    'soon',
    '--allow-ip',
    '300.1.2.3',
  ]
  const minted = await waybill(t, args, env)
  t.equal(minted.code, 2)
  t.equal(minted.stdout, '')
  for (const problem of ['Acme!', '"npm"', 'soon', '300.1.2.3']) {
    t.ok(minted.stderr.includes(problem), `names ${problem}`, { stderr: minted.stderr })
  }
  const created = await waybill(t, ['tenants', 'create', '\u001b[31mred'], env)
  t.equal(created.code, 2)
  // oxlint-disable-next-line no-control-regex -- exactly the character that must not get through
  t.notMatch(created.stderr, /\u001b/, 'what was typed reaches the terminal escaped')
  const logs = await waybill(t, ['logs', '--since', 'yesterdayish', '--status', '9xx'], env)
  t.equal(logs.code, 2)
  t.match(logs.stderr, /yesterdayish/)
  t.match(logs.stderr, /9xx/)
})

t.test(
  'a command whose database cannot be reached says so in one line, soon, without the password',
  async (t) => {
    const db = await testDatabase(t)
    const forwarder = await startForwarder(t, db)
    const url = new URL(forwarder.url)
    url.password = 'hunter2secret'
    const run = (): Promise<Finished> => waybill(t, ['tenants', 'list'], { DATABASE_URL: url.href })
    const refused = await run()
    t.equal(refused.code, 1)
    t.match(refused.stderr, `the database at ${url.host} cannot be reached (ECONNREFUSED)`)
    await forwarder.open()
    forwarder.mode = 'swallow'
    const tick = performance.now()
    const silent = await run()
    const tookMs = performance.now() - tick
    t.equal(silent.code, 1)
    t.match(silent.stderr, `the database at ${url.host} cannot be reached`)
    t.ok(tookMs < 15_000, 'one that is silent is given up', { tookMs })
    forwarder.mode = 'forward'
    const empty = await run()
    t.equal(empty.code, 1)
    t.match(empty.stderr, 'run "waybill migrate"', 'an empty one is told from one that is away')
    for (const { stderr } of [refused, silent, empty]) {
      t.equal(stderr.trimEnd().split('\n').length, 1, 'one line', { stderr })
      t.notMatch(stderr, 'hunter2secret')
    }
  },
)

t.test('an occupied port is named, and the gateway ends', async (t) => {
  const db = await testDatabase(t)
  const squatter = createServer().listen(0, '127.0.0.1')
  await once(squatter, 'listening')
  t.teardown(() => squatter.close())
  const { port } = squatter.address() as AddressInfo
  for (const [section, option] of [
    ['listen', 'listen.port'],
    ['admin', 'admin.port'],
  ] as const) {
    const gateway = await startGateway(t, {
      databaseUrl: db.url,
      config: { routes: [ROUTE], [section]: { host: '127.0.0.1', port } },
      shallNotWait: true,
    })
    t.equal(await gateway.exit(), 1, `${section}: exits with 1`)
    const text = JSON.stringify(gateway.log)
    t.ok(text.includes(`127.0.0.1:${port}`) && text.includes(option), 'address and option are named', {
      text,
    })
    t.match(text, /the port is in use/)
  }
})

t.test('a database that refuses for good ends the gateway with a reason', async (t) => {
  const db = await testDatabase(t)
  const url = new URL(db.url)
  url.pathname = '/not_there'
  const gateway = await startGateway(t, {
    databaseUrl: url.href,
    config: { routes: [ROUTE] },
    shallNotWait: true,
  })
  t.equal(await gateway.exit(), 1)
  t.match(JSON.stringify(gateway.log), /not_there.*does not exist/)
})
