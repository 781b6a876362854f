import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { signedMessage, webhookKey } from './signature.ts'

const SECRET = `whsec_${randomBytes(32).toString('base64')}`
const EVENT = {
  id: 'key.expiring:0a1b2c3d4e5f',
  type: 'key.expiring',
  at: new Date(),
  data: { ö: '☃' },
} as const

t.test(
  'the reference library takes a message, and not one that was altered, is old, or of another key',
  (t) => {
    const { body, headers } = signedMessage(EVENT, SECRET, Date.now())
    const { data } = EVENT
    t.same(new Webhook(SECRET).verify(body, headers), {
      type: EVENT.type,
      timestamp: EVENT.at.toISOString(),
      data,
    })
    t.throws(() => new Webhook(SECRET).verify(body.replace('☃', 'x'), headers))
    t.throws(() => new Webhook(SECRET).verify(body, { ...headers, 'webhook-id': 'another' }))
    const old = signedMessage(EVENT, SECRET, Date.now() - 3_600_000)
    t.throws(() => new Webhook(SECRET).verify(old.body, old.headers))
    t.throws(() => new Webhook(`whsec_${randomBytes(32).toString('base64')}`).verify(body, headers))
    t.end()
  },
)

t.test('a secret is whsec_ and 24 to 64 bytes in base64', (t) => {
  t.equal(webhookKey(SECRET)?.length, 32)
  for (const wrong of [
    '',
    'whsec_',
    SECRET.slice(6),
    `whsec_${randomBytes(23).toString('base64')}`,
    `whsec_${randomBytes(65).toString('base64')}`,
    'whsec_§',
  ])
    t.equal(webhookKey(wrong), null, wrong)
  t.end()
})
