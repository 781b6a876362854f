import t from 'tap'
import type { UsageError } from '../errors.ts'
import { Problems } from '../problems.ts'
import { readUsageQuery } from './usage.ts'

const NOW = Date.UTC(2026, 10, 21, 9, 30)

function range(flags: Parameters<typeof readUsageQuery>[0]): [string, string] | readonly string[] {
  const problems = new Problems()
  const { filter } = readUsageQuery(flags, NOW, problems)
  try {
    problems.throwIfAny()
  } catch (error) {
    return (error as UsageError).problems
  }
  return [filter.since.toISOString().slice(0, 16), filter.until.toISOString().slice(0, 16)]
}

t.test('a period is a month, a day or a year; this month unless told', async (t) => {
  t.same(range({}), ['2026-11-01T00:00', '2026-12-01T00:00'])
  t.same(range({ period: '2026-12' }), ['2026-12-01T00:00', '2027-01-01T00:00'])
  t.same(range({ period: '2024-02-29' }), ['2024-02-29T00:00', '2024-03-01T00:00'])
  t.same(range({ period: '2026' }), ['2026-01-01T00:00', '2027-01-01T00:00'])
})

t.test('a range covers whole days, the ones that have begun included', async (t) => {
  t.same(range({ since: '7d' }), ['2026-11-14T00:00', '2026-11-22T00:00'])
  t.same(range({ since: '2026-11-01', until: '2026-11-03' }), ['2026-11-01T00:00', '2026-11-03T00:00'])
  t.same(range({ since: '2026-11-01', until: '2026-11-03T00:01' }), ['2026-11-01T00:00', '2026-11-04T00:00'])
})

t.test('what is no period or no range is refused', async (t) => {
  for (const period of ['2026-13', '2026-02-30', '26-11', '0026', 'november', '']) {
    t.match(range({ period }), [/^--period: must be/], period)
  }
  t.match(range({ period: '2026-11', since: '7d' }), [/contradicts/])
  t.match(range({ until: '7d' }), [/needs --since/])
  t.match(range({ since: '2026-11-03', until: '2026-11-03' }), [/must be before/])
})

t.test('usage is grouped and sorted by what is named', async (t) => {
  const grouping = (flags: Parameters<typeof readUsageQuery>[0]): unknown => {
    const problems = new Problems()
    return readUsageQuery(flags, NOW, problems).grouping
  }
  t.equal(grouping({}), null)
  t.same(grouping({ by: 'tenant, key', sort: '-bytes_sent', limit: '10', total: true }), {
    by: ['tenant', 'key'],
    sort: { by: 'bytes_sent', isAscending: false },
    limit: 10,
    hasTotal: true,
  })
  t.match(grouping({ total: true }), { by: ['day', 'tenant', 'route'], limit: 1000 })
  t.match(range({ by: 'tenants' }), [/^--by: "tenants" is not one of day, .*did you mean "tenant"/])
  t.match(range({ by: 'day,month' }), [/contradict/])
  t.match(range({ by: 'day,day' }), [/twice/])
  t.match(range({ sort: 'size' }), [/^--sort: "size" is not one of requests/])
  t.match(range({ limit: '0' }), [/^--limit: "0" is not a whole number from 1/])
})

t.test('R29: periods and dates are of the time zone that is asked for', async (t) => {
  const timezone = 'Pacific/Auckland'
  // It is half past ten in the evening of the 21st.
  t.same(range({ timezone }), ['2026-10-31T11:00', '2026-11-30T11:00'])
  t.same(range({ timezone, period: '2026-04' }), ['2026-03-31T11:00', '2026-04-30T12:00'])
  t.same(range({ timezone, period: '2026-09-27' }), ['2026-09-26T12:00', '2026-09-27T11:00'])
  t.same(range({ timezone, period: '2026' }), ['2025-12-31T11:00', '2026-12-31T11:00'])
  t.same(range({ timezone, since: '12h' }), ['2026-11-20T11:00', '2026-11-21T11:00'])
  t.same(range({ timezone, since: '2026-11-01', until: '2026-11-03' }), [
    '2026-10-31T11:00',
    '2026-11-02T11:00',
  ])
  t.same(range({ timezone, since: '2026-11-01T23:30', until: '2026-11-03T00:01' }), [
    '2026-10-31T11:00',
    '2026-11-03T11:00',
  ])
  t.same(range({ timezone, since: '2026-11-01T23:30Z', until: '2026-11-03' }), [
    '2026-11-01T11:00',
    '2026-11-02T11:00',
  ])
  t.same(range({ timezone: 'Asia/Kolkata', period: '2026-11' }), ['2026-10-31T18:30', '2026-11-30T18:30'])
  t.same(range({ timezone: 'Mars/Olympus', period: 'november' }), [
    '--timezone: "Mars/Olympus" is not a time zone: a name of the IANA time zone database such as Pacific/Auckland or UTC',
    '--period: must be such as 2026-11, 2026-11-21 or 2026',
  ])
})
