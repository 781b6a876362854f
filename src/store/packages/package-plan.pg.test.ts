import t, { type Test } from 'tap'
import { PURL_TYPES } from '../../artifacts/purl-types.ts'
import { PackageMatcher } from '../../model/artifact/package-matcher.ts'
import { testDatabase } from '../../test/database.ts'
import { type EntryFilter, listEntries, streamEntries } from '../entries/entries.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { closeSql, openControl, openReader, type Sql } from '../sql.ts'
import { findPackageUsers, type UsersFilter } from './package-users.ts'

// The plans of the product's own statements, as it sends them: whether the index of packages is used. On two days of a log in which one
// tenant has most of the entries, and 1,000 packages have 20 each.

const ROWS = 20_000
const DAY_MS = 86_400_000

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 60_000, max: 1 })
t.teardown(() => closeSql(reader, 1000))

const start = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS - 2 * DAY_MS)
await ensurePartitions(sql, start, 2)
// Takes long on a loaded machine.
const filling = openControl(target, { max: 1, hasLongStatements: true })
await filling`
  INSERT INTO access_log (id, started_at, tenant, key_id, route, kind, method, path, status, outcome, bytes_received, bytes_sent, duration_us,
    client_ip, user_agent, ecosystem, package, version, artifact_kind, instance, seq)
  SELECT gen_random_uuid(), ${start}::timestamptz + n * interval '172790 s' / ${ROWS}::int, CASE WHEN n % 10 = 0 THEN 'small' ELSE 'big' END,
    'key' || n % 7, 'npm', 'npm', 'GET', '/npm/package-' || n % 1000 || '/-/package-' || n % 1000 || '-1.0.tgz', 200, 'forwarded', 0, 1000, 10,
    '10.1.2.3', 'npm/10', 'npm', '@scope/package-' || n % 1000, '1.' || n % 3 || '.0', 'artifact',
    '00000000-0000-4000-8000-000000000001', n
  FROM generate_series(1, ${ROWS}::int) n`
await filling`VACUUM ANALYZE access_log`
await closeSql(filling, 1000)

/** A statement of postgres.js: sent when it is awaited, a part of another where it stands in one. */
type Statement = PromiseLike<unknown> & { then: PromiseLike<unknown>['then'] }
type Tag = (strings: TemplateStringsArray, ...values: unknown[]) => Statement

/** The handle, and the plan of each statement that reads the log, asked for just before it is sent. */
function explaining(handle: Sql): { handle: Sql; plans: string[] } {
  const plans: string[] = []
  const wrap = <T extends object>(inner: T): T =>
    new Proxy(inner, {
      apply(tag, self, args: unknown[]) {
        const statement: unknown = Reflect.apply(tag as unknown as Tag, self, args)
        if (!Array.isArray(args[0]) || !('raw' in args[0])) return statement
        const sent = statement as Statement
        const send = sent.then.bind(sent)
        const explain = async (): Promise<unknown> => {
          const rows = (await (inner as unknown as Tag)`EXPLAIN (COSTS OFF) ${sent}`) as Record<
            string,
            string
          >[]
          const plan = rows.map((row) => row['QUERY PLAN'] ?? '').join('\n')
          if (/ on access_log_\d/.test(plan)) plans.push(plan)
          return await new Promise((resolve, reject) => void send(resolve, reject))
        }
        const then: Statement['then'] = (onDone, onFailed) => explain().then(onDone, onFailed)
        Reflect.set(sent, 'then', then)
        return sent
      },
      get(object, name) {
        if (name !== 'begin') return Reflect.get(object, name) as unknown
        return (options: string, work: (tx: object) => Promise<unknown>) =>
          handle.begin(options, (tx) => work(wrap(tx)))
      },
    })
  return { handle: wrap(handle), plans }
}

/** The statement that finds the rows uses the index of packages in each partition, and none reads a partition, or all of a tenant's rows. */
function assertIndexed(t: Test, plans: readonly string[]) {
  t.ok(plans.length > 0, 'the log was read')
  const found = plans.filter((plan) =>
    /Index (?:Only )?Scan (?:using|on) access_log_\d{8}_lower_version_idx/.test(plan),
  )
  t.ok(found.length > 0, 'by the index of packages', { plans })
  for (const plan of plans) {
    t.ok(!/Seq Scan on access_log_\d/.test(plan), 'no partition is read as a whole', { plan })
    // Without a tenant, the newest seconds are looked at first.
    const isByMoment =
      /Index Cond: \(\(tenant = .*\) AND \(started_at = |Index Cond: \(\(?started_at >= /.test(plan)
    t.ok(found.includes(plan) || isByMoment, 'what is read otherwise is read by its time', { plan })
  }
}

const QUESTIONS: Record<string, UsersFilter> = {
  'of all tenants': {},
  'of one tenant': { tenant: 'big' },
  'of one tenant in a time': { tenant: 'big', since: new Date(start.getTime() + DAY_MS / 2) },
}

for (const [name, filter] of Object.entries(QUESTIONS)) {
  t.test(`who finds a package by the index of packages: ${name}`, async (t) => {
    for (const [question, requests] of [
      ['pkg:npm/%40scope/package-7', 20],
      ['pkg:npm/%40scope/package-7@1.1.0', null],
      ['pkg:npm/%40scope/package-7@>=1.1 <2', null],
      ['@scope/package-7', 20],
    ] as const) {
      const { handle, plans } = explaining(reader)
      const matcher = new PackageMatcher(question, null, [...new Set(PURL_TYPES.values())])
      const { users } = await findPackageUsers(handle, matcher, filter, PURL_TYPES)
      t.ok(users.length > 0, question)
      const sum = users.reduce((all, user) => all + user.requests, 0)
      if (requests !== null && filter.since === undefined) t.equal(sum, requests, question)
      assertIndexed(t, plans)
    }
  })
}

const FILTERS: Record<string, EntryFilter> = {
  'of all tenants': { package: 'PACKAGE-7' },
  'of one tenant': { package: '@scope/package-7', tenant: 'big' },
}

for (const [name, filter] of Object.entries(FILTERS)) {
  t.test(`logs find a package by the index of packages: ${name}`, async (t) => {
    const listed = explaining(reader)
    const { entries, next } = await listEntries(listed.handle, filter, { limit: 15 })
    t.equal(entries.length, 15)
    const { entries: rest } = await listEntries(listed.handle, filter, { limit: 15, before: next })
    t.equal(rest.length, 5)
    assertIndexed(t, listed.plans)

    const streamed = explaining(reader)
    let rows = 0
    for await (const chunk of streamEntries(streamed.handle, filter)) rows += chunk.length
    t.equal(rows, 20)
    assertIndexed(t, streamed.plans)
  })
}
