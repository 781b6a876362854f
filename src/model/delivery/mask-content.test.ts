import t from 'tap'
import type { ValuePlace } from './deliver-rules.ts'
import { maskBody, maskFields, withoutCredentials } from './mask-content.ts'

const json = (...steps: string[]): ValuePlace => ({ kind: 'json', steps })
const text = (body: string, ...masks: ValuePlace[]): unknown => {
  const shown = maskBody(Buffer.from(body), masks)
  return shown.kind === 'text' ? JSON.parse(shown.text) : shown.kind
}

t.test('values at the places of a mask are not shown, whatever they are, and others are', (t) => {
  const body = '{"secret":"s3cret","a":{"token":{"k":"deep"},"n":1},"list":[{"pin":1234},{"pin":null}]}'
  const masks = [json('secret'), json('a', 'token'), json('list', '0', 'pin'), json('list', '1', 'pin')]
  t.same(text(body, ...masks, json('not', 'there'), json('a', 'n', 'deeper')), {
    secret: '********',
    a: { token: '********', n: 1 },
    list: [{ pin: '********' }, { pin: '********' }],
  })
  t.end()
})

t.test('names of an object that JavaScript knows are names like others', (t) => {
  t.same(
    text('{"__proto__":{"x":1},"a":1}', json('__proto__', 'x')),
    JSON.parse('{"__proto__":{"x":"********"},"a":1}'),
  )
  t.same(text('{"a":1}', json('constructor', 'name'), json('toString')), { a: 1 })
  t.equal(text('"plain"', json('length')), 'plain')
  t.end()
})

t.test('nothing is shown of a body in which masks cannot be applied; without masks all of it', (t) => {
  for (const body of ['secret=s3cret', '{"secret":', '', '\u0000'])
    t.match(maskBody(Buffer.from(body), [json('secret')]), { kind: 'hidden', why: /\$\.secret/ })
  t.match(maskBody(Buffer.from([0xff, 0xfe]), [json('secret')]), { kind: 'hidden' })
  t.same(maskBody(Buffer.from('a=b'), []), { kind: 'text', text: 'a=b' })
  t.match(maskBody(Buffer.from([0xff]), [{ kind: 'header', name: 'x' }]), { kind: 'bytes' })
  t.end()
})

t.test('fields with credentials are masked always, others where the route says so', (t) => {
  const fields = ['Authorization', 'Bearer x', 'X-Api-Key', 'k', 'X-Event', 'push', 'Cookie', 'c']
  t.same(maskFields(fields, [{ kind: 'header', name: 'x-api-key' }]), [
    ['Authorization', '********'],
    ['X-Api-Key', '********'],
    ['X-Event', 'push'],
    ['Cookie', '********'],
  ])
  t.same(withoutCredentials(fields, new Set(['x-api-key'])), [['X-Event', 'push']])
  t.end()
})
