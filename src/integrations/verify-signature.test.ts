import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { SIGNATURE_SCHEMES, type SignatureRules } from '../model/integration/signature-rules.ts'
import type { SignedHead } from './signed-head.ts'
import { BodyCheck, verifyHead } from './verify-signature.ts'

const NOW_S = 1_800_000_000

interface SignedRequest extends SignedHead {
  readonly body: Buffer
}

/** The verdict on head and body, which comes in two pieces; null for what is signed. */
function verifySignature(own: SignatureRules, request: SignedRequest, nowMs: number): string | null {
  const verdict = verifyHead(own, request, nowMs)
  if (!(verdict instanceof BodyCheck)) return verdict === 'verified' ? null : verdict
  verdict.update(request.body.subarray(0, 3))
  verdict.update(request.body.subarray(3))
  return verdict.verdict(request.body)
}

function rules(scheme: SignatureRules['scheme'], secret: string, more: Partial<SignatureRules> = {}) {
  return { scheme, secrets: [secret], toleranceMs: 300_000, hmac: null, tokenHeader: null, ...more }
}

function request(
  body: string | Buffer,
  fields: readonly (readonly [string, string])[],
  more: Partial<SignedRequest> = {},
): SignedRequest {
  return {
    rawHeaders: fields.flat(),
    contentType: 'application/json',
    body: Buffer.from(body),
    url: () => null,
    ...more,
  }
}

const hmac = (
  secret: string | Buffer,
  text: string,
  encoding: 'hex' | 'base64' = 'hex',
  algorithm = 'sha256',
) => createHmac(algorithm, secret).update(text).digest(encoding)

const SLACK_BODY =
  'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c'

t.test('what the senders document as an example is taken', (t) => {
  const examples: readonly [SignatureRules, SignedRequest, number][] = [
    [
      rules('github', "It's a Secret to Everybody"),
      request('Hello, World!', [
        ['X-Hub-Signature-256', 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'],
      ]),
      NOW_S,
    ],
    [
      rules('bitbucket', "It's a Secret to Everybody"),
      request('Hello World!', [
        ['X-Hub-Signature', 'sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9'],
      ]),
      NOW_S,
    ],
    [
      rules('slack', '8f742231b10e8888abcd99yyyzzz85a5'),
      request(SLACK_BODY, [
        ['X-Slack-Request-Timestamp', '1531420618'],
        ['X-Slack-Signature', 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503'],
      ]),
      1_531_420_618,
    ],
    [
      rules('standard-webhooks', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'),
      request('{"test": 2432232314}', [
        ['webhook-id', 'msg_p5jXN8AQM9LWM0D4loKWxJek'],
        ['webhook-timestamp', '1614265330'],
        ['webhook-signature', 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='],
      ]),
      1_614_265_330,
    ],
    [
      rules('twilio', '12345'),
      request(
        'Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE',
        [['X-Twilio-Signature', 'RSOYDt4T1cUTdK1PDd93/VVr8B8=']],
        {
          contentType: 'application/x-www-form-urlencoded; charset=utf-8',
          url: () => 'https://mycompany.com/myapp.php?foo=1&bar=2',
        },
      ),
      NOW_S,
    ],
  ]
  for (const [one, signed, seconds] of examples) {
    t.equal(verifySignature(one, signed, seconds * 1000), null, one.scheme)
    const changed = { ...signed, body: Buffer.concat([signed.body, Buffer.from('x')]) }
    t.equal(verifySignature(one, changed, seconds * 1000), 'wrong_signature', `${one.scheme}: one byte more`)
    const other = { ...one, secrets: ['another-secret'] }
    t.equal(
      verifySignature(other, signed, seconds * 1000),
      'wrong_signature',
      `${one.scheme}: another secret`,
    )
    const rotated = { ...one, secrets: ['another-secret', ...one.secrets] }
    t.equal(verifySignature(rotated, signed, seconds * 1000), null, `${one.scheme}: one of two secrets`)
    const bare = { ...signed, rawHeaders: [] }
    t.equal(verifySignature(one, bare, seconds * 1000), 'missing_signature', `${one.scheme}: none`)
    const twice = { ...signed, rawHeaders: [...signed.rawHeaders, ...signed.rawHeaders] }
    t.equal(verifySignature(one, twice, seconds * 1000), 'malformed_signature', `${one.scheme}: fields twice`)
  }
  t.end()
})

/** A request for `{"a":1}` as a sender with the secret `secret-of-both` makes it at NOW_S. */
const SIGNED: Record<string, { rules: SignatureRules; request: SignedRequest; isTimed: boolean }> = (() => {
  const [secret, body] = ['secret-of-both', '{"a":1}']
  const plain = (name: string, value: string): SignedRequest => request(body, [[name, value]])
  const form = {
    header: 'x-sign',
    algorithm: 'sha512',
    encoding: 'base64',
    prefix: 'v=',
    timestampHeader: 'x-at',
  } as const
  const url = `https://gw.example.com/hooks/x?bodySHA256=${createHash('sha256').update(body).digest('hex')}`
  return {
    github: {
      rules: rules('github', secret),
      request: plain('x-hub-signature-256', `sha256=${hmac(secret, body)}`),
      isTimed: false,
    },
    gitlab: { rules: rules('gitlab', secret), request: plain('X-Gitlab-Token', secret), isTimed: false },
    bitbucket: {
      rules: rules('bitbucket', secret),
      request: plain('X-Hub-Signature', `sha256=${hmac(secret, body).toUpperCase()}`),
      isTimed: false,
    },
    gitea: {
      rules: rules('gitea', secret),
      request: plain('X-Gitea-Signature', hmac(secret, body)),
      isTimed: false,
    },
    stripe: {
      rules: rules('stripe', secret),
      request: plain(
        'Stripe-Signature',
        `t=${NOW_S},v1=${hmac('old', `${NOW_S}.${body}`)},v1=${hmac(secret, `${NOW_S}.${body}`)},v0=x`,
      ),
      isTimed: true,
    },
    slack: {
      rules: rules('slack', secret),
      request: request(body, [
        ['X-Slack-Signature', `v0=${hmac(secret, `v0:${NOW_S}:${body}`)}`],
        ['X-Slack-Request-Timestamp', String(NOW_S)],
      ]),
      isTimed: true,
    },
    shopify: {
      rules: rules('shopify', secret),
      request: plain('X-Shopify-Hmac-Sha256', hmac(secret, body, 'base64')),
      isTimed: false,
    },
    'standard-webhooks': {
      rules: rules('standard-webhooks', Buffer.from(secret).toString('base64')),
      request: request(body, [
        ['svix-id', 'msg_1'],
        ['svix-timestamp', String(NOW_S)],
        ['svix-signature', `v1a,x v1,${hmac(secret, `msg_1.${NOW_S}.${body}`, 'base64')}`],
      ]),
      isTimed: true,
    },
    twilio: {
      rules: rules('twilio', secret),
      request: { ...plain('x-twilio-signature', hmac(secret, url, 'base64', 'sha1')), url: () => url },
      isTimed: false,
    },
    hmac: {
      rules: rules('hmac', secret, { hmac: form }),
      request: request(body, [
        ['X-Sign', `v=${hmac(secret, `${NOW_S}.${body}`, 'base64', 'sha512')}`],
        ['X-At', String(NOW_S)],
      ]),
      isTimed: true,
    },
    token: {
      rules: rules('token', secret, { tokenHeader: 'x-token' }),
      request: plain('X-Token', secret),
      isTimed: false,
    },
    basic: {
      rules: rules('basic', `hook:${secret}`),
      request: plain('Authorization', `basic ${Buffer.from(`hook:${secret}`).toString('base64')}`),
      isTimed: false,
    },
  }
})()

t.test('each scheme takes what is signed, and a signed time only near now', (t) => {
  t.same(Object.keys(SIGNED).toSorted(), SIGNATURE_SCHEMES.toSorted(), 'all schemes are here')
  for (const [scheme, { rules: own, request: signed, isTimed }] of Object.entries(SIGNED)) {
    for (const [offset, isNear] of [
      [0, true],
      [300, true],
      [-300, true],
      [301, false],
      [-301, false],
      [86_400, false],
    ] as const) {
      const expected = isTimed && !isNear ? 'stale_signature' : null
      t.equal(verifySignature(own, signed, (NOW_S + offset) * 1000), expected, `${scheme} at ${offset} s`)
    }
    const old = { ...signed, body: Buffer.from('{"a":2}') }
    const isOverBody = !['gitlab', 'token', 'basic'].includes(scheme)
    t.equal(verifySignature(own, old, NOW_S * 1000), isOverBody ? 'wrong_signature' : null, `${scheme}: body`)
  }
  t.end()
})

t.test('another time than the signed one is not believed', (t) => {
  for (const [scheme, { rules: own, request: signed, isTimed }] of Object.entries(SIGNED)) {
    if (!isTimed) continue
    const later = signed.rawHeaders.map((text) => text.replace(String(NOW_S), String(NOW_S + 1)))
    t.equal(verifySignature(own, { ...signed, rawHeaders: later }, NOW_S * 1000), 'wrong_signature', scheme)
    const odd = signed.rawHeaders.map((text) => text.replace(String(NOW_S), '1e9'))
    t.equal(verifySignature(own, { ...signed, rawHeaders: odd }, NOW_S * 1000), 'malformed_signature', scheme)
  }
  t.end()
})

t.test('no field whatever throws, or is taken', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(SIGNED)), fc.string(), fc.string(), (scheme, value, other) => {
      const { rules: own, request: signed } = SIGNED[scheme] ?? { rules: null, request: null }
      if (own === null || signed === null) return
      const fields = signed.rawHeaders.map((text, i) => (i === 1 ? value : i === 3 ? other : text))
      const fault = verifySignature(own, { ...signed, rawHeaders: fields }, NOW_S * 1000)
      if (value !== signed.rawHeaders[1]) t.ok(fault !== null || scheme === 'stripe', `${scheme}: ${value}`)
    }),
    { numRuns: 500 },
  )
  t.end()
})
