import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import type { Config } from '../config/config.ts'
import type { Cli } from './cli.ts'
import type { Io } from './output/io.ts'
import { runCli } from './program.ts'
import { testIo } from '../test/cli-io.ts'

const ROUTE = '{ name: npm, kind: npm, path: /npm/, upstream: "https://repo.example.com/npm/" }'

/** Runs a command in a folder that holds `yaml` as waybill.yaml, if given. */
async function run(
  t: Test,
  argv: readonly string[],
  options: { yaml?: string; io?: Partial<Io>; serve?: Cli['serve'] } = {},
) {
  const cwd = await mkdtemp(join(tmpdir(), 'waybill-program-'))
  t.teardown(() => rm(cwd, { recursive: true, force: true }))
  if (options.yaml !== undefined) await writeFile(join(cwd, 'waybill.yaml'), options.yaml)
  const io = testIo(argv, { cwd, ...options.io })
  const unexpected = (): Promise<number> => Promise.reject(new Error('serve was called'))
  const code = await runCli(io, options.serve ?? unexpected)
  return { code, cwd, ...io.written }
}

/** Runs `serve` or `demo` and returns the configuration that the gateway would have read. */
async function configOf(t: Test, argv: readonly string[], options: { yaml?: string; env?: Io['env'] } = {}) {
  let found: { config: Config; mode: string } | null = null
  const serve: Cli['serve'] = (input) => {
    found = { config: input.loadConfig(), mode: input.mode }
    return Promise.resolve(0)
  }
  const io = options.env === undefined ? {} : { env: options.env }
  const result = await run(t, argv, {
    ...(options.yaml === undefined ? {} : { yaml: options.yaml }),
    io,
    serve,
  })
  return { ...result, found: found as { config: Config; mode: string } | null }
}

t.test('--version prints the version alone', async (t) => {
  const { code, stdout, stderr } = await run(t, ['--version'])
  t.equal(code, 0)
  t.match(stdout, /^\d+\.\d+\.\d+\n$/)
  t.equal(stderr, '')
})

t.test('an unknown command or flag is a usage error with a suggestion', async (t) => {
  for (const [argv, message] of [
    [['tenant', 'list'], /^error: unknown command 'tenant' \(Did you mean tenants\?\)\n$/],
    [['keys', 'mimt'], /^error: unknown command 'mimt' \(Did you mean mint\?\)\n$/],
    [['logs', '--tennant', 'a'], /^error: unknown option '--tennant' \(Did you mean --tenant\?\)\n$/],
    [['tenants', 'show'], "missing required argument 'slug'"],
    [['logs', '--tenant'], 'argument missing'],
    [['logs', 'stray'], 'too many arguments'],
  ] as const) {
    const { code, stdout, stderr } = await run(t, argv)
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, message)
  }
})

t.test('no command at all is a usage error that shows the help on stderr', async (t) => {
  const { code, stdout, stderr } = await run(t, [])
  t.equal(code, 2)
  t.equal(stdout, '')
  t.match(stderr, 'Usage: waybill')
})

t.test('what was typed cannot send commands to the terminal in an error', async (t) => {
  const { stderr } = await run(t, ['\x1b[2Jkeys'])
  t.match(stderr, String.raw`\x1b[2Jkeys`)
  t.notMatch(stderr, '\x1b')
})

t.test('serve takes every option of the table: flag over environment over file over default', async (t) => {
  const { found, code } = await configOf(
    t,
    [
      'serve',
      '--listen-port',
      '1',
      '--directory-reconcile-interval-ms',
      '-1',
      '--access-log-flush-interval-ms',
      '1s',
    ],
    {
      yaml: `listen: { port: 3, host: 127.0.0.3 }\nadmin: { port: 3 }\nroutes: [${ROUTE}]\n`,
      env: { WAYBILL_LISTEN_PORT: '2', WAYBILL_ADMIN_PORT: '2' },
    },
  )
  t.equal(code, 0)
  t.equal(found?.mode, 'serve')
  t.match(found?.config.options, {
    'listen.port': 1,
    'admin.port': 2,
    'listen.host': '127.0.0.3',
    'directory.reconcileIntervalMs': -1,
    'accessLog.flushIntervalMs': 1000,
  })
  t.equal(found?.config.routes[0]?.name, 'npm')
})

t.test('serve reads the configuration anew at each call, for reloads', async (t) => {
  const ports: number[] = []
  const cwd = await mkdtemp(join(tmpdir(), 'waybill-program-'))
  t.teardown(() => rm(cwd, { recursive: true, force: true }))
  const write = (port: number) =>
    writeFile(join(cwd, 'waybill.yaml'), `listen: { port: ${port} }\nroutes: [${ROUTE}]\n`)
  await write(1)
  await runCli(testIo(['serve'], { cwd }), async ({ loadConfig }) => {
    ports.push(loadConfig().options['listen.port'])
    await write(2)
    ports.push(loadConfig().options['listen.port'])
    return 0
  })
  t.same(ports, [1, 2])
})

t.test("the gateway's exit code is the program's", async (t) => {
  const { code } = await run(t, ['serve'], { serve: () => Promise.resolve(1) })
  t.equal(code, 1)
})

t.test('serve without routes says what a route looks like', async (t) => {
  const { code, stderr } = await configOf(t, ['serve'])
  t.equal(code, 2)
  t.match(stderr, 'upstream: https://repo.example.com/')
})

t.test('the file is --config, else WAYBILL_CONFIG, else waybill.yaml here', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-program-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const other = join(folder, 'other.yaml')
  await writeFile(other, `listen: { port: 7 }\nroutes: [${ROUTE}]\n`)
  const yaml = `listen: { port: 5 }\nroutes: [${ROUTE}]\n`
  const port = async (argv: readonly string[], options: { yaml?: string; env?: Io['env'] }) =>
    (await configOf(t, argv, options)).found?.config.options['listen.port']
  t.equal(await port(['serve', '--config', other], { yaml }), 7)
  t.equal(await port(['serve'], { yaml, env: { WAYBILL_CONFIG: other } }), 7)
  t.equal(await port(['serve'], { yaml }), 5)
  t.equal(await port(['serve'], { env: { WAYBILL_CONFIG: other } }), 7)
})

t.test(
  'demo takes --port, brings its own routes and leaves a waybill.yaml that lies here alone',
  async (t) => {
    const { found, code } = await configOf(t, ['demo', '--port', '0'], { yaml: 'nonsense: 1\n' })
    t.equal(code, 0)
    t.equal(found?.mode, 'demo')
    t.equal(found?.config.options['listen.port'], 0)
    t.equal(found?.config.sources['listen.port'], 'flag')
  },
)

t.test('config check tells all problems at once and exits with 2', async (t) => {
  const yaml = 'listen: { port: x }\nunknown: 1\nroutes: [{ name: A }]\n'
  const { code, stderr, stdout } = await run(t, ['config', 'check', '--log-level', 'loud'], { yaml })
  t.equal(code, 2)
  t.equal(stdout, '')
  for (const part of ['listen.port', 'unknown', 'routes[0]', 'log.level']) t.match(stderr, part)
  const json = await run(t, ['config', 'check', '--json'], { yaml })
  t.equal(json.code, 2)
  t.match(JSON.parse(json.stdout), { valid: false, problems: /listen\.port/ })
})

const ONE_ROUTE = 'routes: [{ name: files, kind: generic, path: /files/, upstream: "http://127.0.0.1:9" }]'

t.test('R11: config check says what serve says: no routes, an empty file, a folder, no file', async (t) => {
  const refusals = [
    [['--config', '/dev/null'], /routes: there is none/],
    [['--config', '/'], /cannot be read/],
    [['--config', 'missing.yaml'], /cannot be read/],
    [[], /routes: there is none/],
  ] as const
  for (const [flags, message] of refusals) {
    const check = await run(t, ['config', 'check', ...flags], { yaml: '' })
    const serve = await run(t, ['serve', ...flags], {
      yaml: '',
      serve: (input) => Promise.resolve(input.loadConfig().routes.length),
    })
    t.equal(check.code, 2)
    t.match(check.stderr, message)
    const words = (text: string): string => text.replaceAll(/waybill-program-\w+/g, '')
    t.equal(words(check.stderr), words(serve.stderr))
    t.equal(serve.code, 2)
  }
})

t.test('config check says when nothing is wrong', async (t) => {
  const { code, stdout } = await run(t, ['config', 'check'], { yaml: ONE_ROUTE })
  t.equal(code, 0)
  t.equal(stdout, 'the configuration is valid\n')
  t.same(JSON.parse((await run(t, ['config', 'check', '--json'], { yaml: ONE_ROUTE })).stdout), {
    valid: true,
    problems: [],
  })
})

t.test('config show gives every value and its source, and no secret', async (t) => {
  const secrets = ['db-password', 'admin-token-0123456789', 'upstream-token']
  const yaml = `admin: { token: ${secrets[1]} }
routes:
  - { name: npm, kind: npm, path: /npm/, upstream: "https://r.example.com/", upstreamAuth: { bearer: "\${env:TOKEN}" } }
`
  const env = { DATABASE_URL: `postgres://u:${secrets[0]}@h/d`, TOKEN: secrets[2] }
  for (const argv of [
    ['config', 'show'],
    ['config', 'show', '--json'],
  ]) {
    const { code, stdout } = await run(t, argv, { yaml, io: { env } })
    t.equal(code, 0)
    for (const secret of secrets) t.notMatch(stdout, secret)
    t.match(stdout, '********')
  }
  const { stdout } = await run(t, ['config', 'show', '--json', '--listen-port', '1'], { yaml, io: { env } })
  t.match(JSON.parse(stdout), {
    file: /waybill\.yaml$/,
    options: {
      'listen.port': { value: 1, source: 'flag' },
      'database.url': { value: '********', source: 'environment' },
      'admin.token': { value: '********', source: 'file' },
      'database.readerUrl': { value: '', source: 'default' },
    },
    routes: [{ name: 'npm', upstream: { authorization: '********' } }],
  })
})

t.test('all wrong flags of a command are told at once, before any database is opened', async (t) => {
  const { code, stderr } = await run(t, [
    'keys',
    'mint',
    '--scope',
    'npm',
    '--expires',
    'x',
    '--allow-ip',
    '10/8',
    '--rate',
    '0',
  ])
  t.equal(code, 2)
  for (const flag of ['--tenant is required', '--scope', '--expires', '--allow-ip', '--rate'])
    t.match(stderr, flag)
})

t.test('tenants delete needs --yes where nobody can be asked', async (t) => {
  const { code, stderr } = await run(t, ['tenants', 'delete', 'acme'])
  t.equal(code, 2)
  t.match(stderr, '--yes')
})

t.test('tenants delete asks at a terminal, and anything but the name deletes nothing', async (t) => {
  for (const answer of ['no\n', 'acm\n', '\n', '']) {
    const stdin = new PassThrough()
    stdin.end(answer)
    const isTty = { stdin: true, stdout: true, stderr: true }
    const { code, stdout, stderr } = await run(t, ['tenants', 'delete', 'acme'], { io: { stdin, isTty } })
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, 'cannot be undone')
    t.match(stderr, 'nothing was deleted')
  }
})

t.test('a bug is one line with a code, and a stack only when asked for', async (t) => {
  const serve = (): Promise<number> => Promise.reject(new TypeError('x is undefined'))
  const plain = await run(t, ['serve'], { serve })
  t.equal(plain.code, 1)
  t.match(plain.stderr, /^error: WAYBILL_INTERNAL: x is undefined \(this is a bug.*\)\n$/)
  const debug = await run(t, ['serve'], { serve, io: { env: { WAYBILL_DEBUG: '1' } } })
  t.match(debug.stderr, /\n {4}at /)
})
