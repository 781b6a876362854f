import fc from 'fast-check'
import t from 'tap'
import { bearerChallenge } from './challenge.ts'

const REALM = 'https://auth.example.com/token'
const PLAIN = { realm: REALM, service: '', scope: '' }

t.test('the first Bearer challenge with a realm counts, wherever it stands', async (t) => {
  for (const value of [
    `Bearer realm="${REALM}"`,
    `bearer   REALM = "${REALM}"`,
    `Bearer realm="${REALM}",`,
    `, ,Bearer realm="${REALM}"`,
    `Negotiate, Bearer realm="${REALM}"`,
    `Negotiate a87421000492aa874209af8bc028==, Bearer realm="${REALM}"`,
    `Basic realm="a, Bearer realm=\\"b\\"", charset="UTF-8", Bearer realm="${REALM}"`,
    `Bearer, Bearer error="x", Bearer realm="${REALM}", Bearer realm="other"`,
    `Bearer realm="${REALM.replace('t', '\\t')}", error="invalid_token"`,
  ])
    t.same(bearerChallenge(['WWW-Authenticate', value]), PLAIN, value)
  t.same(
    bearerChallenge(['Www-Authenticate', 'Basic realm="a"', 'www-authenticate', `Bearer realm="${REALM}"`]),
    PLAIN,
  )
  t.same(
    bearerChallenge([
      'WWW-Authenticate',
      `Bearer realm="${REALM}",service=hub,scope="repository:a:pull  repository:b:pull,push "`,
    ]),
    { realm: REALM, service: 'hub', scope: 'repository:a:pull repository:b:pull,push' },
  )
})

t.test('what is not written as the grammar has it is no challenge', async (t) => {
  for (const value of [
    '',
    'Basic realm="a"',
    'Bearer',
    'Bearer abc==',
    'Bearer realm=""',
    `Bearer realm=${REALM}`,
    `Bearer realm="${REALM}`,
    `Bearer realm="${REALM}" service="x"`,
    `Bearer realm="${REALM}", realm="https://other.example.com/"`,
    `Bearer realm="${REALM}", REALM="${REALM}"`,
    `Bearer: realm="${REALM}"`,
    `"Bearer" realm="${REALM}"`,
    `Bearer realm="${REALM}\x80"`,
    `Bearer realm="${'a'.repeat(5000)}"`,
    `Basic realm="${'a'.repeat(8192)}", Bearer realm="${REALM}"`,
    `${'Negotiate, '.repeat(20)}Bearer realm="${REALM}"`,
  ])
    t.equal(bearerChallenge(['WWW-Authenticate', value]), null, value.slice(0, 60))
  t.equal(bearerChallenge(['Proxy-Authenticate', `Bearer realm="${REALM}"`]), null)
})

t.test('any values come out as they were quoted', async () => {
  const text = fc.string({
    unit: fc.constantFrom(...'abc :/?&=,"\\;'.split('')),
    minLength: 1,
    maxLength: 40,
  })
  const quoted = (value: string): string => `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`
  fc.assert(
    fc.property(text, text, (realm, service) => {
      const found = bearerChallenge([
        'www-authenticate',
        `Bearer realm=${quoted(realm)} , service=${quoted(service)}`,
      ])
      return found?.realm === realm && found.service === service
    }),
  )
})

t.test('nothing that an upstream may write makes it throw', async () => {
  const text = fc.string({ unit: fc.constantFrom(...'Bearer realm="\\,= \t'.split('')), maxLength: 200 })
  fc.assert(
    fc.property(text, (value) => {
      bearerChallenge(['www-authenticate', value, 'www-authenticate', `Bearer ${value}`])
    }),
  )
})
