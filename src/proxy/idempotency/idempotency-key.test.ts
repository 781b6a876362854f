import fc from 'fast-check'
import t from 'tap'
import { idempotencyKeyOf, MAX_KEY_LENGTH, readIdempotencyKey } from './idempotency-key.ts'

t.test('a key is a String of RFC 8941, or stands bare', (t) => {
  for (const [value, key] of [
    ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['"8e03978e-40d5"', '8e03978e-40d5'],
    [' "a b, c; d" ', 'a b, c; d'],
    ['"a \\" and a \\\\"', 'a " and a \\'],
    ['order:1/2@x=y~', 'order:1/2@x=y~'],
    ['x'.repeat(MAX_KEY_LENGTH), 'x'.repeat(MAX_KEY_LENGTH)],
  ] as const)
    t.equal(readIdempotencyKey(value), key, value)
  const none = [
    '',
    '""',
    '"',
    '"half',
    'half"',
    '"a" "b"',
    '"a";x=1',
    'a;b',
    'a,b',
    'a b',
    'a\\b',
    '"a\\b"',
    'ä',
    '"ä"',
  ]
  for (const value of [...none, 'x'.repeat(MAX_KEY_LENGTH + 1)]) t.equal(readIdempotencyKey(value), '', value)
  t.end()
})

t.test('every printable text can be written as a String, and is read as it was', (t) => {
  const text = fc.stringMatching(/^[ -~]{1,255}$/)
  fc.assert(
    fc.property(text, (key) => {
      const written = `"${key.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`
      return readIdempotencyKey(written) === key
    }),
  )
  t.end()
})

t.test('no text has the key read for a long time, or makes it longer than it was', (t) => {
  fc.assert(
    fc.property(fc.string({ maxLength: 600 }), (text) => readIdempotencyKey(text).length <= text.length),
  )
  t.end()
})

t.test('the field counts however it is written, and not when it stands twice', (t) => {
  t.equal(idempotencyKeyOf(['Host', 'w', 'IDEMPOTENCY-key', 'k']), 'k')
  t.equal(idempotencyKeyOf(['Host', 'w']), null)
  t.equal(idempotencyKeyOf(['Idempotency-Key', 'k', 'idempotency-key', 'k']), '')
  t.equal(idempotencyKeyOf(['Idempotency-Key', '', 'idempotency-key', 'k']), '')
  t.end()
})
