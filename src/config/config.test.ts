import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ConfigError, loadConfig, type Config } from './config.ts'
import { OPTION_NAMES, optionEnv, optionFlag } from './options.ts'

const ROUTE = '{ name: r, kind: generic, path: /r/, upstream: "http://u.example/base" }'

function load(t: Test, yaml: string, env: Record<string, string> = {}, flags = {}): Config {
  const file = join(t.testdir({}), 'waybill.yaml')
  writeFileSync(file, yaml)
  return loadConfig({ file, env, flags })
}

function problems(t: Test, yaml: string, env: Record<string, string> = {}): readonly string[] {
  try {
    load(t, yaml, env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

t.test('nothing at all is a valid configuration', async (t) => {
  const config = loadConfig({ file: null, env: {}, flags: {} })
  t.equal(config.options['listen.port'], 8080)
  t.equal(config.sources['listen.port'], 'default')
  t.same(config.routes, [])
  for (const yaml of ['', '# nothing', 'routes:', 'routes: []']) t.same(load(t, yaml).routes, [])
})

t.test('a flag outranks the environment, the environment the file, the file the default', async (t) => {
  const yaml = 'listen: { port: 1 }\nadmin: { port: 1 }\nmetrics: { tenantLabels: 1 }'
  const env = { WAYBILL_LISTEN_PORT: '2', WAYBILL_ADMIN_PORT: '2', WAYBILL_LOG_LEVEL: '' }
  const { options, sources } = load(t, yaml, env, { 'listen.port': '3' })
  t.same([options['listen.port'], options['admin.port'], options['metrics.tenantLabels']], [3, 2, 1])
  t.same(
    [sources['listen.port'], sources['admin.port'], sources['metrics.tenantLabels'], sources['log.level']],
    ['flag', 'environment', 'file', 'default'],
  )
})

t.test('all problems are reported at once, each with its name and what is allowed', async (t) => {
  const found = problems(
    t,
    `listen: { port: 70000, hots: x }
nosuch: 1
admin: nine
accessLog: { flushIntervalMs: soon, capacityBytes: 8MB }
log: { level: loud }
proxy: { trustedProxies: [10.0.0.0/8, nonsense] }
routes:
  - ${ROUTE}
  - { name: Bad Name, kind: nosuch, path: relative, upstream: "ftp://x" }
`,
    { WAYBILL_SHUTDOWN_GRACE_MS: 'never' },
  )
  for (const pattern of [
    /^listen\.port "70000": must be a whole number from 0 to 65535$/,
    /^listen\.hots: unknown option/,
    /^nosuch: unknown option/,
    /^admin: must be a mapping/,
    /^accessLog\.flushIntervalMs "soon": must be milliseconds/,
    /^accessLog\.capacityBytes "8MB": must be bytes/,
    /^log\.level "loud": must be one of trace/,
    /^proxy\.trustedProxies .*must be a list of networks/,
    /^WAYBILL_SHUTDOWN_GRACE_MS "never": must be milliseconds/,
    /^routes\[1\] \(Bad Name\)\.name/,
    /^routes\[1\] \(Bad Name\)\.kind/,
    /^routes\[1\] \(Bad Name\)\.path/,
  ])
    t.ok(
      found.some((problem) => pattern.test(problem)),
      `${String(pattern)} in\n${found.join('\n')}`,
    )
  t.equal(found.length, 12, found.join('\n'))
})

t.test('a missing or broken file is a problem that names it', async (t) => {
  t.throws(() => loadConfig({ file: '/nowhere/waybill.yaml', env: {}, flags: {} }), {
    message: /\/nowhere\/waybill\.yaml: cannot be read \(ENOENT\)/,
  })
  t.match(problems(t, 'a: [')[0], /waybill\.yaml: /)
  t.match(problems(t, '- a\n- b')[0], /must be a mapping/)
  t.match(problems(t, 'just a text')[0], /must be a mapping/)
  t.match(problems(t, 'listen: { port: 1 }\nlisten: { port: 2 }')[0], /unique/)
})

t.test('environment variables are put in place, and a missing one is a problem', async (t) => {
  const yaml = `routes:\n  - { name: r, kind: npm, path: /r/, upstream: "http://\${env:HOST}/", upstreamAuth: { bearer: "\${env:TOKEN}" } }`
  const { routes } = load(t, yaml, { HOST: 'u.example', TOKEN: 'secret-1' })
  t.match(routes[0]?.upstream, { origin: 'http://u.example', path: '/', authorization: 'Bearer secret-1' })
  t.ok(
    problems(t, yaml, { HOST: 'u.example' }).some(
      (problem) => problem === 'routes[0].upstreamAuth.bearer: environment variable TOKEN is not set',
    ),
  )
})

t.test('options that are each valid but not together are problems that name both', async (t) => {
  for (const [yaml, names] of [
    ['accessLog: { flushEntries: 5000 }', ['accessLog.flushEntries', 'accessLog.maxBatchEntries']],
    [
      'accessLog: { maxBatchEntries: 60000, capacityEntries: 5000 }',
      ['accessLog.maxBatchEntries', 'accessLog.capacityEntries'],
    ],
    [
      'accessLog: { maxBatchBytes: 8MiB, capacityBytes: 1MiB }',
      ['accessLog.maxBatchBytes', 'accessLog.capacityBytes'],
    ],
    ['accessLog: { backoffMinMs: 6s }', ['accessLog.backoffMinMs', 'accessLog.backoffMaxMs']],
    ['shutdown: { drainTimeoutMs: 25s }', ['shutdown.drainTimeoutMs', 'shutdown.graceMs']],
    ['admin: { host: 0.0.0.0 }', ['admin.token', 'admin.host']],
  ] as const) {
    const found = problems(t, yaml)
    t.equal(found.length, 1, yaml)
    for (const name of names) t.match(found[0], name)
  }
  t.same(problems(t, 'admin: { host: 0.0.0.0, token: 0123456789abcdef }'), [])
  t.same(problems(t, 'admin: { host: "::1" }'), [])
})

t.test('secrets are quoted in no problem', async (t) => {
  const secret = 'hunter2-hunter2'
  const found = problems(
    t,
    `admin: { host: 0.0.0.0, token: ${secret} }
database: { url: "mysql://u:${secret}@h/d" }
routes:
  - { name: a, kind: npm, path: /a/, upstream: "http://u:${secret}@h/" }
  - { name: b, kind: npm, path: /b/, upstream: "http://h/", upstreamAuth: { bearer: "${secret}\\n" } }
  - { name: d, kind: npm, path: /d/, upstream: "http://u:${secret}@h:99999/" }
  - { name: c, kind: npm, path: /c/, upstream: "http://h/", upstreamAuth: { nosuch: ${secret} } }
`,
    { WAYBILL_DATABASE_READER_URL: secret },
  )
  t.equal(found.length, 7, found.join('\n'))
  t.notMatch(found.join('\n'), secret)
})

t.test('every option has one environment variable and one flag of its own', async (t) => {
  t.equal(new Set(OPTION_NAMES.map(optionEnv)).size, OPTION_NAMES.length)
  t.equal(new Set(OPTION_NAMES.map(optionFlag)).size, OPTION_NAMES.length)
  t.equal(optionEnv('accessLog.flushEntries'), 'WAYBILL_ACCESS_LOG_FLUSH_ENTRIES')
  t.equal(optionFlag('accessLog.flushEntries'), 'access-log-flush-entries')
  t.equal(optionEnv('database.url'), 'DATABASE_URL')
})

t.test('numbers, durations and sizes are read in all their forms, and no others', async (t) => {
  const read = (yaml: string): Config['options'] => load(t, yaml).options
  t.equal(read('accessLog: { flushIntervalMs: 1500 }')['accessLog.flushIntervalMs'], 1500)
  t.equal(read('accessLog: { flushIntervalMs: 3s }')['accessLog.flushIntervalMs'], 3000)
  t.equal(read('accessLog: { flushIntervalMs: "250" }')['accessLog.flushIntervalMs'], 250)
  t.equal(read('proxy: { maxHeaderBytes: 64KiB }')['proxy.maxHeaderBytes'], 65_536)
  t.equal(read('directory: { reconcileIntervalMs: -1 }')['directory.reconcileIntervalMs'], -1)
  for (const yaml of [
    'accessLog: { flushIntervalMs: 1.5 }',
    'accessLog: { flushIntervalMs: 0 }',
    'accessLog: { flushIntervalMs: .inf }',
    'accessLog: { flushIntervalMs: true }',
    'accessLog: { flushIntervalMs: null }',
    'accessLog: { flushEntries: 1e3x }',
    'proxy: { maxHeaderBytes: -1 }',
    'proxy: { maxHeaderBytes: 1KB }',
    'listen: { port: "" }',
    'listen: { host: "a b" }',
    'publicUrl: https://x/path?a',
    'publicUrl: https://x/a//b',
    'publicUrl: https://x/../b',
    'publicUrl: https://u@x/',
    'publicUrl: ftp://x/',
    'stateDir: ""',
  ])
    t.equal(problems(t, yaml).length, 1, yaml)
})

t.test('G8: what was probably meant is said, of keys, values and variables', (t) => {
  const route = 'name: r, kind: npm, path: /r/, upstream: "http://h/"'
  for (const [yaml, message] of [
    ['routs: []', 'routs: unknown option; did you mean "routes"?'],
    ['log: { levl: info }', 'log.levl: unknown option; did you mean "log.level"?'],
    ['lisen: { port: 1 }', 'lisen: unknown option; did you mean "listen"?'],
    ['acessLog: { flushEntries: 1 }', 'acessLog: unknown option; did you mean "accessLog"?'],
    ['log: { level: wran }', /^log\.level "wran": must be one of [^?]*; did you mean "warn"\?$/],
    ['routes: [{ name: r, kind: nmp, path: /r/, upstream: "http://h/" }]', /\.kind: [^?]*"npm"\?$/],
    [`routes: [{ ${route}, upstreamm: x }]`, /"upstreamm"; did you mean "upstream"\?$/],
    [
      `routes: [{ ${route}, rateLimit: { perSecond: 1, bust: 2, burst: 2 } }]`,
      /"bust"; did you mean "burst"\?$/,
    ],
    [`routes: [{ ${route}, headers: { sett: {} } }]`, /"sett"; did you mean "set"\?$/],
    [
      `routes: [{ ${route}, tls: { cert: a, key: b, serverNam: c } }]`,
      /"serverNam"; did you mean "serverName"\?$/,
    ],
  ] as const) {
    const found = problems(t, yaml)
    t.equal(found.length, 1, yaml)
    t.match(found[0], message)
  }
  const warnings = (env: Record<string, string>, yaml = ''): readonly string[] => load(t, yaml, env).warnings
  t.same(warnings({ WAYBILL_LOG_LEVL: 'debug' }), [
    'WAYBILL_LOG_LEVL in the environment is no option; did you mean "WAYBILL_LOG_LEVEL"?',
  ])
  t.match(warnings({ WAYBILL_DATABASE_URL: 'x' }), [/did you mean "DATABASE_URL"\?$/])
  t.match(warnings({ WAYBILL_CONFG: 'x' }), [/did you mean "WAYBILL_CONFIG"\?$/])
  const harmless = {
    WAYBILL_CONFIG: 'a',
    WAYBILL_SERVICE_HOST: 'a',
    WAYBILL_PORT_8080_TCP: 'a',
    WAYBILL_PORT: 'a',
  }
  t.same(warnings({ ...harmless, WAYBILL_LOG_LEVEL: 'info', LOG_LEVL: 'a' }), [])
  t.same(
    warnings({ WAYBILL_ADMIN_TOKN: '0123456789abcdef' }, 'admin: { token: "${env:WAYBILL_ADMIN_TOKN}" }'),
    [],
  )
  t.end()
})

t.test('documents without an address to tell are warned of, unless nobody but this machine comes', (t) => {
  const route = '{ name: r, kind: npm, path: /r/, upstream: "http://h/" }'
  const warnings = (yaml: string): readonly string[] => load(t, yaml).warnings
  t.match(warnings(`routes: [${route}]`), [/^publicUrl is empty: documents of r pass/])
  t.same(warnings(`routes: [${route}]\npublicUrl: "https://x/base/"`), [])
  t.same(warnings(`routes: [${route}]\nlisten: { host: 127.0.0.1 }`), [])
  t.same(warnings(`routes: [${route.replace('npm', 'generic')}]`), [])
  t.same(warnings(`routes: [${route.replace(' }', ', rewriteDocuments: false }')}]`), [])
  t.end()
})

t.test('a collector that gets its secret over a network in the clear is warned of', async (t) => {
  const warnings = (endpoint: string, authorization = 'Bearer collector-secret'): readonly string[] =>
    load(t, JSON.stringify({ traces: { endpoint, authorization } })).warnings
  const [warning, ...others] = warnings('HTTP://collector.example:4318/v1/traces')
  t.match(warning, /^traces\.endpoint sends traces\.authorization to collector\.example over plain http/)
  t.notMatch(warning, 'collector-secret')
  t.same(others, [])
  t.same(warnings('https://collector.example/v1/traces'), [])
  t.same(warnings('http://collector.example/v1/traces', ''), [])
  t.same(warnings('', 'Bearer unused'), [])
  for (const host of ['127.0.0.1', 'localhost', '[::1]'])
    t.same(warnings(`http://${host}:4318/v1/traces`), [])
})
