import t from 'tap'
import type { DeliverRules, DeliveryRules, ValuePlace } from '../model/delivery/deliver-rules.ts'
import { readValues } from './parcel-values.ts'

const json = (...steps: string[]): ValuePlace => ({ kind: 'json', steps })

function rulesOf(
  deliver: Partial<DeliverRules>,
  accept: Partial<DeliveryRules['accept']> = {},
): DeliveryRules {
  return {
    accept: { contentTypes: [], requires: [], ignore: null, patienceMs: 0, ...accept },
    deliver: {
      concurrency: 1,
      orderBy: [],
      dedupe: null,
      coalesce: null,
      timeoutMs: 1,
      retries: { max: 0, minMs: 1, maxMs: 1 },
      permanent: [],
      mask: [],
      breaker: { failures: 1, openMs: 1 },
      ...deliver,
    },
  }
}

function read(
  rules: DeliveryRules,
  body: string,
  headers: readonly string[] = [],
  type = 'application/json',
) {
  return readValues(rules, {
    rawHeaders: headers,
    contentType: type,
    contentEncoding: '',
    body: Buffer.from(body),
  })
}

t.test('values come from JSON, fields and forms', async (t) => {
  const rules = rulesOf({ orderBy: [json('repo', 'id'), { kind: 'header', name: 'x-shard' }] })
  t.match(read(rules, '{"repo":{"id":7}}', ['X-Shard', 'a/b']), { kind: 'take', lane: '7/a\\/b' })
  const form = `payload=${encodeURIComponent('{"repo":{"id":7}}')}`
  const type = 'application/x-www-form-urlencoded; charset=utf-8'
  t.match(read(rules, form, ['x-shard', 'c'], type), { lane: '7/c' })
  t.match(read(rulesOf({ orderBy: [json('From')] }), 'From=%2B1&Body=x', [], type), { lane: '+1' })
  t.match(read(rulesOf({ orderBy: [json('items', '1')] }), '{"items":[1,true]}'), { lane: 'true' })
})

t.test('what has no value, or two, is named', async (t) => {
  const rules = rulesOf({ orderBy: [json('repo', 'id')] })
  for (const body of ['{}', '{"repo":null}', '{"repo":{"id":{}}}', '{"repo":{"id":""}}', '[]', '7'])
    t.match(read(rules, body), { kind: 'refuse', reason: 'missing_field', place: '$.repo.id' }, body)
  const twice = read(rulesOf({ orderBy: [{ kind: 'header', name: 'x' }] }), '', ['x', '1', 'X', '2'])
  t.match(twice, { reason: 'missing_field', place: 'header:x' })
  t.match(read(rulesOf({ orderBy: [json('constructor')] }), '{}'), { reason: 'missing_field' })
})

t.test(
  'bodies that are not what they say are refused where a route looks into them, and only there',
  async (t) => {
    const rules = rulesOf({ orderBy: [json('a')] })
    t.match(read(rules, '{"a":'), { kind: 'refuse', reason: 'malformed_body' })
    t.match(read(rules, '['.repeat(10_000)), { reason: 'malformed_body' })
    t.match(read(rulesOf({}), '{"a":'), { kind: 'take', lane: '', senderKey: null })
    const gzip = { rawHeaders: [], contentType: '', contentEncoding: 'gzip', body: Buffer.from('{}') }
    t.match(readValues(rules, gzip), { reason: 'content_encoding' })
    t.match(readValues(rulesOf({}), gzip), { kind: 'take' })
    t.match(read(rulesOf({}, { contentTypes: ['application/json'] }), '{}', [], 'text/plain'), {
      reason: 'content_type',
    })
  },
)

t.test('what is ignored on purpose is not taken; long values and NUL are made fit', async (t) => {
  const ignore = { place: { kind: 'header', name: 'x-event' }, values: ['ping'] } as const
  t.match(read(rulesOf({}, { ignore }), '{}', ['X-Event', 'ping']), { kind: 'ignore' })
  t.match(read(rulesOf({}, { ignore }), '{}', ['X-Event', 'push']), { kind: 'take' })
  const long = read(rulesOf({ orderBy: [json('a')] }), JSON.stringify({ a: 'x'.repeat(300) }))
  t.match(long, { lane: /^[0-9a-f]{64}$/ })
  t.match(read(rulesOf({ orderBy: [json('a')] }), '{"a":"x\\u0000\\ud800"}'), { lane: 'x\uFFFD\uFFFD' })
})

t.test('duplicates are told by a value, or by the body', async (t) => {
  const byBody = rulesOf({ dedupe: { by: { kind: 'body' }, windowMs: 1 } })
  const [one, same, other] = [read(byBody, 'a'), read(byBody, 'a'), read(byBody, 'b')]
  t.same(one, same)
  t.notSame(one, other)
  // What becomes one call meets in one lane.
  const merged = read(rulesOf({ coalesce: { by: [json('id')], windowMs: 1 } }), '{"id":5}')
  t.match(merged, { lane: '5', coalesceBy: '5' })
})
