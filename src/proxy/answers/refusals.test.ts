import t, { type Test } from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { OUTCOME_NAMES, type Reason } from '../../model/outcome.ts'
import { ROUTE_KINDS, type RouteKind } from '../../model/route.ts'
import { startGateway, type TestGateway } from '../../test/gateway.ts'
import type { Message } from '../../test/wire.ts'
import { refuse } from '../decide/context.ts'
import { replyOf } from './reply.ts'

const CONTACT = 'Ask platform@example.com.'
const EXPIRED = mintKey()
const READER = mintKey()
const BY_PLAIN_PATH = { plain: true, "Node's server": false } as const

/** How an answer's body is read. */
type Form = 'problem' | 'json' | 'text'

/** Where each kind is asked, and in which form it is refused. */
const ASKED: readonly (readonly [RouteKind, method: string, path: string, Form])[] = [
  ...ROUTE_KINDS.filter((kind) => !['oci', 'go', 'cargo', 'git', 'rubygems'].includes(kind)).map(
    (kind) => [kind, 'PUT', '/any/thing', 'problem'] as const,
  ),
  ['oci', 'PUT', '/v2/app/manifests/1.0', 'json'],
  ['go', 'PUT', '/example.com/m/@v/v1.0.0.zip', 'text'],
  ['rubygems', 'POST', '/api/v1/gems', 'text'],
  ['cargo', 'PUT', '/config.json', 'text'],
  ['cargo', 'PUT', '/se/rd/serde', 'text'],
  ['cargo', 'PUT', '/api/v1/crates/serde/1.0.0/download', 'text'],
  ['cargo', 'PUT', '/api/v1/crates/new', 'problem'],
  ['git', 'PUT', '/team/repo.git/info/refs', 'text'],
  ['git', 'POST', '/team/repo.git/git-receive-pack', 'text'],
  ['git', 'POST', '/team/repo.git/info/lfs/objects/batch', 'json'],
]

const TYPES: Readonly<Record<Form, string>> = {
  problem: 'application/problem+json',
  json: 'application/json',
  text: 'text/plain; charset=utf-8',
}

async function start(t: Test, hasPlainPath: boolean): Promise<TestGateway> {
  const routes = ROUTE_KINDS.map((kind) => ({ name: kind, kind, path: `/${kind}/` }))
  const gateway = await startGateway(t, { listener: { hasPlainPath }, routes })
  gateway.apply({ refusalContact: CONTACT })
  gateway.directory.key(EXPIRED, { expiresAtMs: Date.UTC(2026, 0, 31, 12) })
  gateway.directory.key(READER, { scopeList: ROUTE_KINDS.map((kind) => `${kind}:read`) })
  return gateway
}

async function ask(gateway: TestGateway, line: string, key: string | null, isHead = false): Promise<Message> {
  const client = await gateway.client()
  const fields = key === null ? [] : [`Authorization: Bearer ${key}`]
  client.send(`${[line, 'Host: gw', 'Connection: close', ...fields].join('\r\n')}\r\n\r\n`)
  return client.message({ isHead })
}

function codeOf(status: number): string {
  return { 401: 'UNAUTHORIZED', 403: 'DENIED', 404: 'NAME_UNKNOWN', 502: 'UNAVAILABLE' }[status] ?? 'UNKNOWN'
}

/** The answer says the sentence in its status line, and in its body as the form has it. */
function checkAnswer(t: Test, answer: Message, form: Form, status: number, sentence: string): void {
  t.equal(answer.startLine, `HTTP/1.1 ${status} ${sentence}`)
  t.equal(answer.field('content-type'), TYPES[form])
  t.equal(answer.field('x-content-type-options'), 'nosniff')
  t.equal(answer.field('cache-control'), 'no-store')
  if (form === 'text') {
    t.equal(answer.body, `${sentence}\n`)
    return
  }
  const error = { code: codeOf(status), message: sentence }
  const { title, ...rest } = JSON.parse(answer.body) as Record<string, unknown>
  t.type(title, 'string')
  t.strictSame(rest, {
    type: 'about:blank',
    status,
    detail: sentence,
    requestId: answer.field('x-request-id'),
    error: sentence,
    message: sentence,
    errors: [form === 'json' ? error : { ...error, detail: sentence }],
  })
}

for (const [way, hasPlainPath] of Object.entries(BY_PLAIN_PATH)) {
  t.test(`each kind of client is told in its own way why it is refused, ${way}`, async (t) => {
    const gateway = await start(t, hasPlainPath)
    for (const [kind, method, path, form] of ASKED) {
      await t.test(`${kind} ${path}`, async (t) => {
        const line = `${method} /${kind}${path} HTTP/1.1`
        checkAnswer(
          t,
          await ask(gateway, line, null),
          form,
          401,
          `This needs a key, and none was sent. ${CONTACT}`,
        )
        checkAnswer(
          t,
          await ask(gateway, line, EXPIRED.text),
          form,
          401,
          `The key ${EXPIRED.id} expired on 2026-01-31. ${CONTACT}`,
        )
        checkAnswer(
          t,
          await ask(gateway, line, READER.text),
          form,
          403,
          `This needs the scope ${kind}:write, which the key ${READER.id} does not have. ${CONTACT}`,
        )
      })
    }
    const stray = await ask(gateway, 'GET /nowhere HTTP/1.1', null)
    const words = 'Nothing is served at this address: no route has this path and host.'
    checkAnswer(t, stray, 'problem', 404, `${words} ${CONTACT}`)
    const docker = await ask(gateway, 'GET /v2/nowhere/app/manifests/1 HTTP/1.1', null)
    checkAnswer(t, docker, 'json', 404, `${words} ${CONTACT}`)
    t.equal(gateway.upstream.all.length, 0)
    for (const [, text] of [EXPIRED, READER, gateway.key].entries())
      t.notMatch(JSON.stringify(gateway.entries), text.text.slice(16), 'no secret in an entry')
  })

  t.test(`HEAD gets the head of the whole answer, an HTTP/1.0 client the whole of it, ${way}`, async (t) => {
    const gateway = await start(t, hasPlainPath)
    for (const kind of ROUTE_KINDS) {
      const [whole, old] = [
        await ask(gateway, `GET /${kind}/x HTTP/1.1`, EXPIRED.text),
        await ask(gateway, `GET /${kind}/x HTTP/1.0`, EXPIRED.text),
      ]
      const head = await ask(gateway, `HEAD /${kind}/x HTTP/1.1`, EXPIRED.text, true)
      t.equal(head.startLine, whole.startLine)
      t.equal(old.startLine, whole.startLine)
      t.equal(head.field('content-length'), String(whole.body.length))
      t.equal(head.field('content-type'), whole.field('content-type'))
      t.equal(old.body.length, whole.body.length)
    }
    await gateway.quiet()
    t.ok(gateway.entries.every(({ method, bytesSent }) => (method === 'HEAD') === (bytesSent === 0)))
  })
}

t.test('a refusal is byte for byte the same on both ways', async (t) => {
  const answers: string[][] = [[], []]
  for (const [i, hasPlainPath] of [true, false].entries()) {
    const gateway = await start(t, hasPlainPath)
    for (const [kind, method, path] of ASKED) {
      const line = `${method} /${kind}${path} HTTP/1.1\r\nX-Request-Id: told-0001`
      for (const key of [null, EXPIRED.text, READER.text, 'garbage']) {
        const answer = await ask(gateway, line, key)
        answers[i]?.push((answer.head + answer.body).replace(/^Date: .*$/m, 'Date'))
      }
    }
    // The reserve of both: keep-alive and the order of fields.
    const client = await gateway.client()
    client.send('GET /npm/x HTTP/1.1\r\nHost: gw\r\nX-Request-Id: told-0002\r\n\r\n')
    const { head, body } = await client.message()
    answers[i]?.push((head + body).replace(/^Date: .*$/m, 'Date'))
  }
  t.strictSame(answers[0], answers[1])
})

t.test('what a stranger sent does not show in any answer', async (t) => {
  const gateway = await start(t, true)
  const key = mintKey()
  for (const [kind] of ASKED) {
    const line = `GET /${kind}/%3Cscript%3Ealert(1)%3C/script%3E?q=%3Cb%3E HTTP/1.1`
    const answer = await ask(gateway, line, key.text)
    t.notMatch(answer.head + answer.body, /%3C|<|alert/i)
    t.notMatch(answer.head + answer.body, key.text.slice(3))
    t.notMatch(answer.head + answer.body, key.id)
  }
})

t.test('429 and 503 always say when to come again, in a field and in words', async (t) => {
  const reasons: readonly (Reason | null)[] = [null, 'no_snapshot', 'queue_full', 'log_full', 'tenant_rate']
  const text = {
    sentence: '',
    form: 'text',
    challenge: [],
    requestId: 'x',
    allow: '',
    retryAfterSeconds: 0,
  } as const
  for (const outcome of OUTCOME_NAMES) {
    for (const reason of reasons) {
      const { status, fields } = replyOf(refuse(outcome, reason), text)
      t.equal(fields.includes('Retry-After'), status === 429 || status === 503, `${outcome} ${reason}`)
    }
  }
  const gateway = await start(t, true)
  const check = async (name: string, line: string, wait: string): Promise<void> => {
    const answer = await ask(gateway, line, gateway.key.text)
    t.equal(answer.field('retry-after'), wait, name)
    t.match(answer.startLine, ` Retry in ${wait} s. ${CONTACT}`, name)
  }
  const handshake = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  ]
  const webSocket = ['GET /npm/x HTTP/1.1', ...handshake, 'Sec-WebSocket-Version: 13'].join('\r\n')
  gateway.directory.tenant('acme', { rateLimit: { perSecond: 0.01, burst: 1 }, maxConcurrency: 1 })
  const client = await gateway.client()
  client.send(gateway.head('GET /npm/x HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  await check('requests at once', 'GET /npm/x HTTP/1.1', '1')
  wire.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  t.equal((await client.message()).status, 200)
  await gateway.quiet()
  await check('rate', 'GET /npm/x HTTP/1.1', '100')
  await check('rate, of a WebSocket', webSocket, '100')
  gateway.directory.snapshot = null
  await check('no snapshot', 'GET /npm/x HTTP/1.1', '1')
  gateway.apply({ probePath: '/-/ready' })
  gateway.isReady = false
  await check('probe', 'GET /-/ready HTTP/1.1', '1')
  gateway.handler.drain()
  await check('a WebSocket in a drain', webSocket, '1')
})

t.test('an upstream that fails is told of by the name of its route and no other', async (t) => {
  const gateway = await start(t, true)
  const answers: string[] = []
  for (const [kind, code] of [
    ['npm', 'NaN'],
    ['oci', ''],
    ['go', ''],
  ] as const) {
    const client = await gateway.client()
    client.send(gateway.head(`GET /${kind}/x HTTP/1.1`))
    const { wire } = await gateway.upstream.request()
    wire.send(`HTTP/1.1 ${code} \r\n\r\n`)
    const answer = await client.message()
    t.equal(answer.status, 502)
    t.equal(
      answer.startLine,
      `HTTP/1.1 502 The upstream of the route ${kind} sent no valid answer. ${CONTACT}`,
    )
    answers.push(answer.head + answer.body)
  }
  t.notMatch(answers.join(''), /127\.0\.0\.1|localhost/)
  t.notMatch(answers.join(''), String(gateway.upstream.port))
})

t.test('an operator may write any of Latin-1, and clients that read JSON get it in UTF-8', async (t) => {
  const gateway = await start(t, true)
  gateway.apply({ refusalContact: 'Fragen an "Jürgen" \\ <büro@example.com>' })
  const npm = await ask(gateway, 'GET /npm/x HTTP/1.1', null)
  t.match(npm.startLine, / Fragen an "Jürgen" \\ <büro@example\.com>$/)
  const { error } = JSON.parse(Buffer.from(npm.body, 'latin1').toString('utf8')) as { error: string }
  t.match(error, /Fragen an "Jürgen" \\ <büro@example\.com>$/)
  t.equal(npm.field('content-length'), String(npm.body.length))
  t.match(npm.field('www-authenticate') ?? '', / Fragen an 'J\?rgen' \? <b\?ro@example\.com>", basic /)
  const go = await ask(gateway, 'GET /go/x HTTP/1.1', null)
  t.match(Buffer.from(go.body, 'latin1').toString('utf8'), /"Jürgen"/)
})
