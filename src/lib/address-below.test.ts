import fc from 'fast-check'
import t from 'tap'
import { addressBelow } from './address-below.ts'

t.test('a path below an address is at the same host, whatever slashes and dots both have', (t) => {
  const part = fc.constantFrom(
    '/',
    '//',
    '.',
    '..',
    'api',
    '%2f',
    '%2e%2e',
    '\\',
    '?',
    '#',
    '@',
    ':',
    'x.test',
  )
  const path = fc.array(part, { maxLength: 6 }).map((parts) => `/${parts.join('')}`)
  fc.assert(
    fc.property(path, path, (own, below) => {
      const base = new URL('https://gateway.example.test:8090')
      base.pathname = own
      const { origin, username, search, hash } = addressBelow(base, below)
      t.same({ origin, username, search, hash }, { origin: base.origin, username: '', search: '', hash: '' })
    }),
  )
  t.end()
})

t.test('the path of the address is kept, without the slashes at its end', (t) => {
  for (const [base, whole] of [
    ['https://gw.example.test', 'https://gw.example.test/api/v1/keys/a%2Fb'],
    ['https://gw.example.test:8090//', 'https://gw.example.test:8090/api/v1/keys/a%2Fb'],
    ['http://127.0.0.1:8090/below//', 'http://127.0.0.1:8090/below/api/v1/keys/a%2Fb'],
    ['https://gw.example.test//below', 'https://gw.example.test//below/api/v1/keys/a%2Fb'],
  ] as const)
    t.equal(addressBelow(new URL(base), '/api/v1/keys/a%2Fb').href, whole)
  t.end()
})
