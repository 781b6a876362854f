import { spawnSync } from 'node:child_process'
import { assert, object, property, string } from 'fast-check'
import t from 'tap'
import { createLogger, type LogLevel, type RootLogger } from './logger.ts'
import { mintKey } from '../model/api-key.ts'

const PASSWORD = 'corr3ct-h0rse/b@ttery "staple"'

function capture(level: LogLevel = 'trace'): {
  logger: RootLogger
  lines: () => Record<string, unknown>[]
  text: () => string
} {
  let text = ''
  const logger = createLogger({ level, destination: { write: (line: string) => void (text += line) } })
  return {
    logger,
    text: () => text,
    lines: () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  }
}

t.test(
  'a line of JSON says by the names of OpenTelemetry who tells, and one for people does not',
  async (t) => {
    const written: Record<'json' | 'pretty', string> = { json: '', pretty: '' }
    for (const format of ['json', 'pretty'] as const) {
      const logger = createLogger({
        level: 'info',
        format,
        identity: { version: '1.2.3', instance: 'i-1' },
        fields: { worker: 2 },
        destination: { write: (line: string) => void (written[format] += line) },
      })
      logger.child({ part: 'writer' }).info({ entries: 3 }, 'done')
    }
    t.match(JSON.parse(written.json), {
      'service.name': 'waybill',
      'service.version': '1.2.3',
      'service.instance.id': 'i-1',
      worker: 2,
      part: 'writer',
      entries: 3,
    })
    t.match(written.pretty, /  worker=2 part=writer entries=3$/m)
    t.notMatch(written.pretty, /service|i-1/)
  },
)

t.test('a line has level, time, message and fields', async (t) => {
  const { logger, lines } = capture()
  logger.info({ route: 'npm', entries: 3 }, 'batch stored')
  logger.warn('no fields')
  const [first, second] = lines()
  t.match(first, { level: 'info', msg: 'batch stored', route: 'npm', entries: 3 })
  t.match(first?.['time'], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  t.match(second, { level: 'warn', msg: 'no fields' })
})

t.test('the level can be changed at any time and children follow', async (t) => {
  const { logger, lines } = capture('info')
  const child = logger.child({ part: 'writer' })
  child.debug('unseen')
  logger.level = 'debug'
  child.debug('seen')
  logger.level = 'silent'
  child.error('unseen')
  t.equal(logger.level, 'silent')
  t.match(lines(), [{ part: 'writer', msg: 'seen' }])
  t.equal(lines().length, 1)
})

t.test('a key shows with its id only, wherever it stands', async (t) => {
  const key = mintKey()
  const secret = key.text.slice(16)
  const { logger, lines, text } = capture()
  const error = new Error(`no such key ${key.text}`, { cause: new Error(`cause ${key.text}`) })
  Object.assign(error, { detail: key.text })
  logger.info(`message ${key.text}`)
  logger.error(error)
  logger.error({ err: error })
  logger.error({ err: error }, 'with a message')
  logger.info({ deep: { deeper: [{ url: `/npm/x?api_key=${key.text}` }] } }, 'nested')
  logger.info({ map: new Map([[key.text, new Set([key.text])]]) }, 'collections')
  logger.info({ [key.text]: 1 }, 'as a field name')
  logger.child({ presented: `x${key.text}` }).info('bound')
  logger.info({ errors: new AggregateError([error], key.text) }, 'aggregate')
  logger.info({ url: new URL(`http://x/${key.text}`) }, 'toJSON')
  logger.info({ long: 'x'.repeat(8170) + key.text }, 'at the cut')
  t.equal(lines().length, 11)
  t.equal(lines()[1]?.['msg'], `no such key wb_${key.id}_***`, 'an error brings its message')
  t.equal(lines()[2]?.['msg'], `no such key wb_${key.id}_***`)
  t.equal(lines()[3]?.['msg'], 'with a message')
  t.notMatch(text(), secret.slice(0, 8))
  t.match(text(), `message wb_${key.id}_***`)
})

t.test('credentials are censored by name', async (t) => {
  const { logger, lines } = capture()
  logger.info({
    headers: {
      Authorization: 'abc',
      'x-api-key': 'abc',
      'proxy-authorization': 'abc',
      cookie: 'a=b',
      accept: '*/*',
    },
    password: 'short',
    'admin.token': 12345,
    databasePassword: ['abc'],
    key_digest: 'abc',
    hasToken: false,
    tokens: null,
  })
  t.match(lines()[0], {
    headers: {
      Authorization: '***',
      'x-api-key': '***',
      'proxy-authorization': '***',
      cookie: '***',
      accept: '*/*',
    },
    password: '***',
    'admin.token': '***',
    databasePassword: '***',
    key_digest: '***',
    hasToken: false,
    tokens: null,
  })
})

t.test('credentials are censored in texts, and ordinary texts stay as they are', async (t) => {
  const { logger, lines } = capture()
  const cases: [string, string][] = [
    ['postgres://app:s3cret@db:5432/x failed', 'postgres://***@db:5432/x failed'],
    ['postgres://app:p@ss:w@db/x', 'postgres://***@db/x'],
    ['https://token@repo.example.com/npm/', 'https://***@repo.example.com/npm/'],
    ['sent authorization: Bearer abcdefghijklmnop.q-r_s', 'sent authorization: *** abcdefghijklmnop.q-r_s'],
    ['host=db password=s3cret dbname=x', 'host=db password=*** dbname=x'],
    ["password='s3 cret' dbname=x", 'password=*** dbname=x'],
    ['{"password":"s3 cret","a":1}', '{"password":***,"a":1}'],
    ['GET /x?api_key=abc&b=1', 'GET /x?api_key=***&b=1'],
    ['Basic authentication failed for user "app"', 'Basic authentication failed for user "app"'],
    ['GET https://registry.example.com/@scope%2fname', 'GET https://registry.example.com/@scope%2fname'],
  ]
  for (const [given] of cases) logger.info(given)
  const seen = lines().map((line) => line['msg'])
  // "authorization: Bearer x" meets two rules; either must do, so only the secret's absence is asked there.
  for (const [index, [given, expected]] of cases.entries()) {
    if (given.startsWith('sent')) t.notMatch(seen[index], 'abcdefghijklmnop')
    else t.equal(seen[index], expected)
  }
})

t.test('a secret that was made known never shows, in any field, error or encoding', async (t) => {
  const { logger, text } = capture()
  logger.addSecret(PASSWORD)
  logger.addSecret('short')
  const error = Object.assign(new Error(`cannot log in with ${PASSWORD}`), { query: `'${PASSWORD}'` })
  logger.error(error)
  logger.error({ err: error, note: { list: [PASSWORD] } }, `failed: ${PASSWORD}`)
  logger.info({ url: `postgres:/${encodeURIComponent(PASSWORD)}` })
  logger.child({ a: PASSWORD }).info('short stays')
  t.notMatch(text(), 'corr3ct')
  t.match(text(), 'short stays')
})

t.test('whatever is logged comes out as one line of JSON without the key', async () => {
  const key = mintKey()
  const secret = key.text.slice(16)
  assert(
    property(
      object({
        maxDepth: 4,
        withBigInt: true,
        withMap: true,
        withDate: true,
        withSet: true,
        withTypedArray: true,
      }),
      string(),
      (fields, noise) => {
        const { logger, lines, text } = capture()
        logger.info(
          { ...fields, [noise + key.text]: { [noise]: noise + key.text + noise } },
          key.text + noise,
        )
        return lines().length === 1 && !text().includes(secret)
      },
    ),
  )
})

t.test('hostile values neither throw nor flood', async (t) => {
  const { logger, lines, text } = capture()
  const circular: Record<string, unknown> = { a: 1 }
  circular['self'] = circular
  let deep: Record<string, unknown> = {}
  for (let i = 0; i < 50; i++) deep = { deep }
  logger.info({
    circular,
    deep,
    thrower: {
      get boom() {
        throw new Error('boom')
      },
    },
    huge: 'x'.repeat(1_000_000),
    many: Array.from({ length: 10_000 }, (_, i) => i),
    bytes: Buffer.alloc(100),
    nan: Number.NaN,
    fn: () => 1,
    err: null,
    ['__proto__']: { polluted: true },
  })
  const line = lines()[0] ?? {}
  t.match(line, {
    circular: { self: '[circular]' },
    thrower: '[unreadable]',
    bytes: '[100 bytes]',
    nan: 'NaN',
  })
  t.equal((line['many'] as unknown[]).length, 100)
  t.ok(text().length < 12_000)
})

t.test(
  'lines that the pipe has room for are not lost when the process is killed just after them',
  async (t) => {
    const module = new URL('./logger.js', import.meta.url).href
    const script = `import { createLogger } from ${JSON.stringify(module)}
    const logger = createLogger({ level: 'info' })
    for (let i = 0; i < 150; i++) logger.info({ i, filler: 'x'.repeat(200) }, 'last words')
    process.kill(process.pid, 'SIGKILL')`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    t.equal(child.signal, 'SIGKILL')
    t.equal(child.stdout, '')
    // 50 KiB: a pipe holds 64 KiB, however slowly it is read.
    t.equal(child.stderr.trimEnd().split('\n').length, 150)
  },
)
