import fc from 'fast-check'
import t from 'tap'
import { bodyKeys } from '../model/delivery/body-key.ts'
import { packBody, unpackBody } from './pack-body.ts'

const keys = ['new', 'old'].map((id) => `${id}:${Buffer.alloc(32, id).toString('base64')}`)
const both = bodyKeys(keys.join(',')) ?? []

t.test('a body comes back as it was, with and without keys', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.boolean(), async (bytes, isEncrypted) => {
      const body = Buffer.from(bytes)
      const packed = await packBody(body, isEncrypted ? both : [])
      return unpackBody(packed, both).equals(body)
    }),
  )
  const text = Buffer.from('{"a":1}'.repeat(20_000))
  const packed = await packBody(text, [])
  t.equal(packed.packing, 'deflate')
  t.ok(packed.bytes.length < text.length / 10)
  t.ok(unpackBody(packed, []).equals(text))
})

t.test('the first key encrypts, all of them open, and what was changed does not', async (t) => {
  const [first, second] = both
  if (first === undefined || second === undefined) throw new Error('no keys')
  const sealed = await packBody(Buffer.from('secret'), [second])
  t.match(sealed.packing, 'aes-256-gcm:old')
  t.notOk(sealed.bytes.includes('secret'))
  t.equal(unpackBody(sealed, both).toString(), 'secret', 'after the keys were rotated')
  t.throws(() => unpackBody(sealed, [first]), /the key old .* is not there/)
  sealed.bytes.writeUInt8(sealed.bytes.readUInt8(30) ^ 1, 30)
  t.throws(() => unpackBody(sealed, both))
})

t.test('keys are id and 32 bytes', async (t) => {
  t.equal(both.length, 2)
  t.same(bodyKeys(''), [])
  for (const wrong of ['x', 'x:abc', `X:${'A'.repeat(43)}=`, `${keys[0]},oops`])
    t.equal(bodyKeys(wrong), null, wrong)
})
