import t from 'tap'
import { testIo } from '../../test/cli-io.ts'
import { UsageError } from '../errors.ts'
import { runCli } from '../program.ts'
import { readPlace } from './api-place.ts'

const URL_ = 'https://gateway.example.test:8090'

/** The problem of a command line; fails where there is none. */
async function problemOf(args: readonly string[], env: Record<string, string>): Promise<string> {
  const io = testIo(args, { cwd: t.testdirName, env })
  const code = await runCli(io, () => Promise.reject(new Error('serve was called')))
  t.equal(code, 2, args.join(' '))
  return io.written.stderr
}

t.test(
  'a flag that names a database is refused where the command asks the API, of every command',
  async (t) => {
    for (const command of [
      'tenants delete acme --yes',
      'keys list',
      'tokens list',
      'logs',
      'usage',
      'admin-log',
    ])
      for (const [flag, value] of [
        ['--database-url', 'postgres://staging.example.test/waybill'],
        ['--database-reader-url', 'postgres://staging.example.test/waybill'],
        ['--state-dir', 'staging'],
      ] as const) {
        const args = [...command.split(' '), flag, value]
        const contradiction = new RegExp(`${flag} contradicts WAYBILL_URL.*unset that`)
        t.match(await problemOf(args, { WAYBILL_URL: URL_ }), contradiction)
        t.match(await problemOf([...args, '--url', URL_], {}), new RegExp(`${flag} contradicts --url`))
      }
  },
)

t.test('a flag that is of the API alone is refused where the command works on the database', async (t) => {
  for (const flag of ['--token-file x', '--ca-file x', '--plain-http']) {
    const args = `tenants delete acme --yes ${flag}`.split(' ')
    t.match(
      await problemOf(args, { DATABASE_URL: 'postgres://x.example.test/y' }),
      'needs --url or WAYBILL_URL',
    )
  }
})

t.test('an empty --url is no address, and does not lead to the database', async (t) => {
  for (const args of ['tenants list --url', 'admin-log --verify --url'])
    t.match(await problemOf([...args.split(' '), ''], { WAYBILL_URL: URL_ }), /--url/)
})

t.test('DATABASE_URL in the environment contradicts nothing: what names the API goes before it', (t) => {
  const io = testIo([], { env: { DATABASE_URL: 'postgres://x.example.test/y', WAYBILL_URL: URL_ } })
  t.equal(readPlace(io, { databaseStatementTimeoutMs: '1000' })?.url.origin, URL_)
  t.throws(() => readPlace(io, { databaseUrl: 'x' }), UsageError)
  t.equal(readPlace(testIo([], { env: { WAYBILL_URL: '' } }), { databaseUrl: 'x' }), null)
  t.end()
})
