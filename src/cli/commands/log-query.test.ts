import t from 'tap'
import type { UsageError } from '../errors.ts'
import { readLogQuery, type LogFlags, type LogQuery } from './log-query.ts'
import { Problems } from '../problems.ts'

const NOW = Date.UTC(2026, 10, 21, 9, 30)

function read(flags: LogFlags): LogQuery {
  const problems = new Problems()
  const query = readLogQuery(flags, NOW, problems)
  problems.throwIfAny()
  return query
}

function problemsOf(flags: LogFlags): readonly string[] {
  try {
    read(flags)
    return []
  } catch (error) {
    return (error as UsageError).problems
  }
}

t.test('every flag restricts, and none is made up', async (t) => {
  t.same(read({}).filter, {})
  t.same(
    read({
      tenant: 'acme',
      route: 'npm',
      key: 'abcdefghijkl',
      since: '1h',
      until: '2026-11-21T09:00Z',
      status: '5XX',
      outcome: 'rate_limited',
      method: 'get',
      path: '/npm/',
      ip: '10.0.0.0/8',
      requestId: 'r1',
      package: '@babel/core',
      artifactKind: 'upload',
    }).filter,
    {
      tenant: 'acme',
      route: 'npm',
      keyId: 'abcdefghijkl',
      since: new Date(NOW - 3_600_000),
      until: new Date('2026-11-21T09:00:00Z'),
      status: '5xx',
      outcome: 'rate_limited',
      method: 'GET',
      pathPrefix: '/npm/',
      clientIp: '10.0.0.0/8',
      requestId: 'r1',
      package: '@babel/core',
      artifactKind: 'upload',
    },
  )
})

t.test('a table shows the newest 100, a program gets all, and --limit decides', async (t) => {
  t.equal(read({}).limit, 100)
  t.equal(read({ format: 'csv' }).limit, null)
  t.equal(read({ json: true }).limit, null)
  t.equal(read({ limit: '5', format: 'ndjson' }).limit, 5)
  t.equal(read({ limit: 'all' }).limit, null)
})

t.test('all problems are told at once', async (t) => {
  const flags = {
    tenant: 'A',
    route: '-',
    key: 'x',
    since: 'x',
    status: '6xx',
    outcome: 'x',
    method: 'G T',
    path: 'npm',
    ip: 'x',
    package: 'pkg:npm/left-pad',
    artifactKind: 'file',
    limit: '0',
    format: 'xml',
  }
  t.equal(problemsOf(flags).length, Object.keys(flags).length)
})

t.test('flags that contradict each other are refused', async (t) => {
  t.match(problemsOf({ follow: true, json: true }), [/never ends/])
  t.match(problemsOf({ follow: true, until: '1h' }), [/--until contradicts/])
  t.match(problemsOf({ follow: true, limit: '5' }), [/--limit contradicts/])
  t.match(problemsOf({ since: '1h', until: '2h' }), [/before/])
  t.match(problemsOf({ json: true, format: 'csv' }), [/contradicts/])
  t.same(problemsOf({ json: true, format: 'json' }), [])
})

t.test('G8: a choice that is none is told with what was meant', (t) => {
  t.match(problemsOf({ status: '5x' }), [/did you mean "5xx"\?$/])
  t.match(problemsOf({ outcome: 'rate_limitd' }), [/did you mean "rate_limited"\?$/])
  t.match(problemsOf({ format: 'tabel' }), [/did you mean "table"\?$/])
  t.end()
})
