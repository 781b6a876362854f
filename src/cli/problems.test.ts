import t from 'tap'
import { mintKey } from '../model/api-key.ts'
import type { UsageError } from './errors.ts'
import { rateText } from '../model/rate-limit.ts'
import { Problems } from './problems.ts'

const NOW = Date.UTC(2026, 10, 21, 9, 30)

/** What a reader returns for a valid value, or its one problem. */
function outcome<T>(read: (problems: Problems) => T): T | string {
  const problems = new Problems()
  const value = read(problems)
  try {
    problems.throwIfAny()
    return value
  } catch (error) {
    return (error as UsageError).problems.join('\n')
  }
}

t.test('a rate is <perSecond>[:<burst>] or none, and prints as it is typed', async (t) => {
  const rate = (text: string) => outcome((p) => p.rate('--rate', text))
  t.same(rate('50'), { perSecond: 50, burst: 50 })
  t.same(rate('2.5'), { perSecond: 2.5, burst: 3 })
  t.same(rate('0.1'), { perSecond: 0.1, burst: 1 })
  t.same(rate('50:100'), { perSecond: 50, burst: 100 })
  t.equal(rate('none'), null)
  t.equal(rateText({ perSecond: 2.5, burst: 3 }), '2.5:3')
  t.equal(rateText(null), 'none')
  for (const bad of [
    '',
    '0',
    '0:1',
    '-1',
    '5:0',
    '5:',
    ':5',
    '5/s',
    '5:1.5',
    '1e3',
    '1000001',
    '5:1000001',
    'NaN',
  ]) {
    t.match(rate(bad), /^--rate: .* is not a rate/, JSON.stringify(bad))
  }
})

t.test('route rates go by route; none removes', async (t) => {
  t.same(
    outcome((p) => p.routeRates('--route-rate', ['npm=5:10', 'pip=none'])),
    {
      npm: { perSecond: 5, burst: 10 },
      pip: null,
    },
  )
  t.match(
    outcome((p) => p.routeRates('--route-rate', ['npm'])),
    'is not <route>=',
  )
  t.match(
    outcome((p) => p.routeRates('--route-rate', ['NPM=5'])),
    'is not a valid slug',
  )
})

t.test('a time is a time ago, a UTC date or an ISO 8601 time', async (t) => {
  const time = (text: string) => outcome((p) => p.time('--since', text, NOW))
  t.same(time('1h'), new Date(NOW - 3_600_000))
  t.same(time('2026-11-20'), new Date('2026-11-20T00:00:00Z'))
  t.same(time('2026-11-20T10:00'), new Date('2026-11-20T10:00:00Z'))
  t.same(time('2026-11-20T10:00:01.5+02:00'), new Date('2026-11-20T08:00:01.500Z'))
  for (const bad of [
    '',
    'yesterday',
    '2026-02-31',
    '2026-13-01',
    '2026-11-20T25:00',
    '1',
    '1y',
    'Nov 20 2026',
  ]) {
    t.match(time(bad), /^--since: .* is not a time/, JSON.stringify(bad))
  }
})

t.test('an expiry is in the future, or never', async (t) => {
  const expiry = (text: string) => outcome((p) => p.expiry('--expires', text, NOW))
  t.same(expiry('90d'), new Date(NOW + 90 * 86_400_000))
  t.same(expiry('2027-01-01'), new Date('2027-01-01T00:00:00Z'))
  t.equal(expiry('never'), null)
  for (const past of ['0s', '2026-11-21', '2020-01-01T00:00Z']) t.match(expiry(past), 'is not in the future')
  t.match(expiry('soon'), 'neither a duration')
})

t.test('a key is named by its id or by its whole text, which is never repeated in a message', async (t) => {
  const key = mintKey()
  t.same(
    outcome((p) => p.keyId('key', key.id)),
    { id: key.id, isWholeKey: false },
  )
  t.same(
    outcome((p) => p.keyId('key', key.text)),
    { id: key.id, isWholeKey: true },
  )
  const mistyped = `${key.text.slice(0, -1)}_`
  const message = outcome((p) => p.keyId('key', mistyped))
  t.type(message, 'string')
  t.notMatch(message, key.text.slice(20, 40))
})

t.test('all problems are reported together, in the order of reading', async (t) => {
  const problems = new Problems()
  problems.slug('--tenant', 'A')
  problems.scopes('--scope', ['npm', 'npm:read'])
  problems.networks('--allow-ip', ['10.0.0.0/8', '10.0.0.0/33'])
  problems.durationMs('--overlap', '1y')
  problems.integer('--n', '7', 1, 5)
  problems.choice('--format', 'xml', ['csv', 'json'])
  t.throws(() => problems.throwIfAny(), { code: 'WAYBILL_USAGE', problems: { length: 6 } })
})

t.test('a message quotes control characters escaped and bounded', async (t) => {
  const message = outcome((p) => p.durationMs('--overlap', `\x1b[31m${'x'.repeat(10_000)}`))
  t.match(message, String.raw`\u001b[31m`)
  t.ok(String(message).length < 300)
})
