import fc from 'fast-check'
import t from 'tap'
import { isRateLimitField, readRateLimit } from './rate-limit-fields.ts'

const NOW = 1_732_699_970_000

t.test("what servers say of their limits is read, in every vendor's form", async (t) => {
  for (const [fields, text] of [
    [
      ['ratelimit-limit', '100;w=21600', 'ratelimit-remaining', '42;w=21600'],
      'limit=100;remaining=42;window=21600',
    ],
    [
      ['X-RateLimit-Limit', '60', 'X-RateLimit-Remaining', '59', 'X-RateLimit-Reset', '1732700000'],
      'limit=60;remaining=59;reset=1732700000',
    ],
    [
      ['RateLimit-Limit', '10', 'RateLimit-Remaining', '0', 'RateLimit-Reset', '30'],
      'limit=10;remaining=0;reset=1732700000',
    ],
    [['RateLimit', 'limit=100, remaining=42, reset=30'], 'limit=100;remaining=42;reset=1732700000'],
    [
      ['RateLimit-Policy', '"default";q=100;w=60', 'RateLimit', '"default";r=50;t=30'],
      'limit=100;remaining=50;reset=1732700000;window=60',
    ],
    [['RateLimit-Policy', '100;w=60'], 'limit=100;window=60'],
    [['RateLimit-Limit', '100, 100;w=60'], 'limit=100;window=60'],
    [
      ['X-Rate-Limit-Limit', '5', 'X-Rate-Limit-Remaining', '4', 'X-Rate-Limit-Reset', '1732700000000'],
      'limit=5;remaining=4;reset=1732700000',
    ],
    [['X-RateLimit-Reset', '2024-11-27T09:33:20Z'], 'reset=1732700000'],
    [['RateLimit-Remaining', '17.0'], 'remaining=17'],
    [['Retry-After', '30'], 'retry=30'],
    [['Retry-After', 'Wed, 27 Nov 2024 09:33:20 GMT'], 'retry=30'],
    [['Retry-After', 'Wed, 27 Nov 2024 09:33:20'], ''],
    [['X-RateLimit-Reset', '2024-11-27T09:33:20'], ''],
    [['X-RateLimit-Reset', '2024-11-27 09:33:20'], ''],
    [['X-RateLimit-Limit', 'many', 'X-RateLimit-Remaining', '-1', 'RateLimit', '???'], ''],
    [['X-RateLimit-Limit', '1'.repeat(16)], ''],
    [['X-RateLimit-Used', '1', 'Content-Type', 'text/plain'], ''],
  ] as const)
    t.equal(readRateLimit(fields, 429, NOW), text, fields.join(' '))
  t.equal(readRateLimit(['Retry-After', '30'], 503, NOW), 'retry=30')
  t.equal(readRateLimit(['Retry-After', '30'], 301, NOW), '')
})

t.test('names are known in any case, and others are not', async (t) => {
  for (const name of 'RATELIMIT x-ratelimit Retry-After ratelimit-policy x-rate-limit-remaining'.split(' '))
    t.equal(isRateLimitField(name), true, name)
  for (const name of 'x-frame-options content-type xratelimit-limit ratelimits-limit x r'.split(' '))
    t.equal(isRateLimitField(name), false, name)
})

t.test('nothing that a server says breaks it, or makes it long', async (t) => {
  const name = fc.constantFrom('RateLimit', 'ratelimit-limit', 'x-ratelimit-reset', 'retry-after', 'x-y')
  const fields = fc.array(fc.tuple(name, fc.string({ maxLength: 400 }))).map((pairs) => pairs.flat())
  fc.assert(
    fc.property(fields, (list) => {
      const text = readRateLimit(list, 429, NOW)
      t.match(text, /^(?:(?:limit|remaining|reset|window|retry)=\d{1,15}(?:;(?=.)|$))*$/)
      return text.length <= 128
    }),
  )
})
