import t from 'tap'
import { createLogger } from '../../logger/logger.ts'
import { testDatabase } from '../../test/database.ts'
import { DatabaseChecks } from './database-checks.ts'

const { sql, target } = await testDatabase(t)

function checksOf(needed: number, embeddedIn: string | null = null) {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) }
  const logger = createLogger({ level: 'info', destination })
  const checks = new DatabaseChecks({ readerTarget: target, workers: 20, needed, embeddedIn, logger })
  return { checks, lines, codes: () => checks.warnings.map(({ code }) => code) }
}

t.test('F4, G11: what is wrong is told once in the log and as long as it lasts in readiness', async (t) => {
  const { checks, lines, codes } = checksOf(100_000)
  await sql`ALTER TABLE access_log DISABLE ROW LEVEL SECURITY`
  await checks.run(sql)
  await checks.run(sql)
  t.same(codes(), ['database_connections', 'row_security'])
  t.match(lines, [
    /allows \d+ connections .* up to 100000 with 20 workers/,
    /row level security of access_log is off/,
  ])
  t.equal(lines.length, 2)
  await sql`ALTER TABLE access_log ENABLE ROW LEVEL SECURITY`
  await checks.run(sql)
  t.same(codes(), ['database_connections'], 'mended')
})

t.test('G11: an embedded database that nobody asked for is said at once', async (t) => {
  const { checks, lines, codes } = checksOf(10, '/srv/.waybill')
  t.same(codes(), ['embedded_database'])
  t.match(lines, [/^DATABASE_URL is not set: .*\/srv\/\.waybill/])
  await checks.run(sql)
  t.same(codes(), ['embedded_database'])
  t.equal(lines.length, 1)
})

t.test('a check that cannot be made keeps what was found, and rejects not', async (t) => {
  const { checks, codes } = checksOf(100_000)
  await checks.run(sql)
  const away = { ...target, host: '127.0.0.1', port: 1 }
  const logger = createLogger({ level: 'silent', destination: { write: () => {} } })
  const other = new DatabaseChecks({ readerTarget: away, workers: 1, needed: 1, embeddedIn: null, logger })
  await other.run(sql)
  t.same(other.warnings, [])
  t.same(codes(), ['database_connections'])
})
