import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import t, { type Test } from 'tap'
import { EVENT_TYPES, receiverId, type EventReceiver } from '../../../model/events/event.ts'
import { messageId } from '../../../model/events/signature.ts'
import { createLogger } from '../../../logger/logger.ts'
import { listEvents, readBacklogs } from '../../../store/events/event-list.ts'
import { MAX_WAITING, publishEvents } from '../../../store/events/outbox.ts'
import { createTenant } from '../../../store/directory/tenants.ts'
import { FakeClock } from '../../../test/clock.ts'
import { testDatabase } from '../../../test/database.ts'
import { EventsJob, isTold } from './events-job.ts'
import { sendEvent } from './send.ts'

interface Taken {
  readonly id: string
  readonly verified: unknown
}

/** A receiver on this machine, which verifies what it gets by the reference library. */
async function startReceiver(t: Test) {
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const taken: Taken[] = []
  let tellArrived = (): void => {}
  const arrived = new Promise<void>((resolve) => (tellArrived = resolve))
  const state: { status: number; headers: Record<string, string>; isSilent: boolean } = {
    status: 204,
    headers: {},
    isSilent: false,
  }
  const server = createServer((request, response) => {
    void textOf(request).then((body) => {
      const headers = request.headers as Record<string, string>
      taken.push({ id: headers['webhook-id'] ?? '', verified: new Webhook(secret).verify(body, headers) })
      tellArrived()
      if (!state.isSilent) response.writeHead(state.status, state.headers).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  t.teardown(close)
  const { port } = server.address() as AddressInfo
  const receiver: EventReceiver = {
    url: `http://127.0.0.1:${port}/hook?token=secret`,
    secret,
    types: EVENT_TYPES,
  }
  return { receiver, taken, state, arrived, close }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

async function scene(t: Test) {
  const { sql } = await testDatabase(t)
  const lines: string[] = []
  const logger = createLogger({
    level: 'info',
    destination: { write: (line: string) => void lines.push(line) },
  })
  const jobOf = (receivers: readonly EventReceiver[]) =>
    new EventsJob({ sql, logger, receivers: () => receivers })
  const due = async () => await sql`UPDATE event_deliveries SET next_at = now()`
  const waiting = async () =>
    await sql<{ attempts: number; event_id: string }[]>`SELECT attempts, event_id FROM event_deliveries`
  const event = (id: string) => ({ id, type: 'ledger.gap', data: {} }) as const
  return { sql, lines, jobOf, due, waiting, event }
}

t.test('a key that expires soon is told once by all gateways, and its message verifies', async (t) => {
  const { sql, jobOf, waiting } = await scene(t)
  const { receiver, taken } = await startReceiver(t)
  await createTenant(sql, 'acme', {})
  await sql`
    INSERT INTO api_keys (id, digest, tenant, scopes, created_at, expires_at)
    VALUES ('0a1b2c3d4e5f', ${'0'.repeat(64)}, 'acme', '{*:*}', now() - interval '9 days', now() + interval '3 days'),
      ('1a1b2c3d4e5f', ${'1'.repeat(64)}, 'acme', '{*:*}', now(), now() + interval '30 days'),
      ('2a1b2c3d4e5f', ${'2'.repeat(64)}, 'acme', '{*:*}', now(), now() + interval '1 hour')`
  const [one, other] = [jobOf([receiver]), jobOf([receiver])]
  await Promise.all([one.run(), other.run()])
  await Promise.all([one.run(), other.run()])
  t.match(taken, [{ verified: { type: 'key.expiring', data: { key: '0a1b2c3d4e5f', tenant: 'acme' } } }])
  t.equal(taken.length, 1)
  t.same(await waiting(), [])
})

t.test('a tenant that meets a limit, and a route whose upstream fails, are told once', async (t) => {
  const { sql, jobOf } = await scene(t)
  const { receiver, taken } = await startReceiver(t)
  const usage = { bytes_received: 0, bytes_sent: 0, status_class: 4, key_id: '', route: 'npm' }
  const refused = { ...usage, refusal: 'limit', outcome: 'rate_limited', reason: 'tenant_rate' }
  const [now] = await sql<{ minute: number }[]>`SELECT floor(extract(epoch FROM now()) / 60)::int AS minute`
  const minute = (now?.minute ?? 0) - 1
  await sql`INSERT INTO figures_usage ${sql([
    { ...refused, minute, n: 3, tenant: 'acme' },
    { ...refused, minute, n: 4, tenant: 'acme', reason: 'key_rate' },
    { ...refused, minute: minute - 60, n: 4, tenant: 'globex' },
    { ...usage, minute, n: 9, tenant: 'initech', refusal: 'auth', outcome: 'forbidden', reason: 'scope' },
  ])}`
  for (const [route, outcome, n] of [
    ['down', 'upstream_refused', 8],
    ['down', 'upstream_timeout', 4],
    ['down', 'forwarded', 12],
    ['well', 'upstream_reset', 12],
    ['well', 'forwarded', 13],
    ['idle', 'upstream_refused', 9],
  ] as const)
    await sql`
      INSERT INTO figures_routes (bytes_received, bytes_sent, duration_us, upstream_us, minute, n, upstream_n, step, status_class,
        route, outcome, sketch)
      VALUES (0, 0, 0, 0, ${minute}, ${n}, 0, 1, 5, ${route}, ${outcome}, '{}')`
  const job = jobOf([receiver])
  for (let n = 0; n < 2; n++) await job.run()
  t.match(
    taken
      .map(({ verified }) => verified)
      .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    [
      {
        type: 'limit.reached',
        data: { tenant: 'acme', refused: 7, limits: ['key_rate', 'tenant_rate'] },
      },
      {
        type: 'upstream.failing',
        data: { route: 'down', requests: 24, failed: 12, outcomes: ['upstream_refused', 'upstream_timeout'] },
      },
    ],
  )
  t.equal(taken.length, 2)
})

t.test('gaps and drops of an audit are told once a day for an instance and tenant', async (t) => {
  const { jobOf } = await scene(t)
  const { receiver, taken } = await startReceiver(t)
  const gap = {
    instance: 'i',
    tenant: 'acme',
    entries: 3,
    entriesAtMost: null,
    requestsAtMost: null,
    batches: null,
    line: 'x',
  }
  const gaps = [
    { ...gap, kind: 'dropped' },
    { ...gap, kind: 'died' },
    { ...gap, kind: 'spilled' },
  ] as const
  const told = gaps.filter(({ kind }) => isTold(kind))
  const job = jobOf([receiver, { ...receiver, url: `${receiver.url}&gaps`, types: ['ledger.gap'] }])
  for (let n = 0; n < 2; n++) await job.tellGaps(told, new Date('2026-01-02T03:04:05Z'))
  await job.run()
  const ids = [
    'entries.dropped:dropped:i:acme:2026-01-02',
    ...Array(2).fill('ledger.gap:died:i:acme:2026-01-02'),
  ]
  t.same(taken.map(({ id }) => id).toSorted(), ids.map((id: string) => messageId({ id })).toSorted())
  t.same(job.stats, { sent: 3, lost: { full: 0, given_up: 0, gone: 0 } })
})

t.test(
  'a receiver that is down, or answers 500 or elsewhere, is tried again, and given up in the end',
  async (t) => {
    const { sql, jobOf, due, waiting, event, lines } = await scene(t)
    const { receiver, taken, state, close } = await startReceiver(t)
    await publishEvents(sql, [event('a')], [receiver])
    const job = jobOf([receiver])
    state.status = 500
    await job.run()
    t.match(await waiting(), [{ attempts: 1 }])
    await job.run()
    t.equal(taken.length, 1, 'not before its time')
    Object.assign(state, { status: 302, headers: { location: receiver.url } })
    await due()
    await job.run()
    t.equal(taken.length, 2, 'a redirect is not followed')
    close()
    await due()
    await job.run()
    t.match(await waiting(), [{ attempts: 3 }])
    await sql`UPDATE event_deliveries SET attempts = 11, next_at = now()`
    await job.run()
    t.match(await waiting(), [{ attempts: 12 }], 'it stays, to be seen')
    t.match(await sql`SELECT failure FROM event_deliveries WHERE given_up_at IS NOT NULL`, [
      { failure: 'ECONNREFUSED' },
    ])
    await due()
    await job.run()
    t.match(await waiting(), [{ attempts: 12 }])
    const [backlog] = await readBacklogs(sql, [receiverId(receiver)])
    t.same(backlog, { waiting: 0, oldestAt: null, givenUp: 1, attempts: 12, failure: 'ECONNREFUSED' })
    t.match(await listEvents(sql, { limit: 10 }), [{ id: 'a', waiting: 0, givenUp: 1 }])
    t.match(lines.join(''), /an event was given up/)
    t.match(job.stats, { sent: 0, lost: { given_up: 1 } })
    t.notMatch(lines.join(''), /token=secret/)
  },
)

t.test('410 ends what a receiver gets', async (t) => {
  const { sql, jobOf, waiting, event, lines } = await scene(t)
  const { receiver, taken, state } = await startReceiver(t)
  await publishEvents(sql, [event('a')], [receiver])
  state.status = 410
  const job = jobOf([receiver])
  await job.run()
  await publishEvents(sql, [event('b')], [receiver])
  await job.run()
  t.equal(taken.length, 1)
  t.match(await waiting(), [{ event_id: 'b' }])
  t.match(lines.join(''), /wants no more/)
  t.match(job.stats, { lost: { gone: 1 } })
})

t.test(
  'of a receiver that is down, or wants no more, one line tells, however many events wait',
  async (t) => {
    const { sql, jobOf, event, lines } = await scene(t)
    const { receiver, taken, state } = await startReceiver(t)
    const job = jobOf([receiver])
    state.status = 500
    await publishEvents(sql, ['a', 'b', 'c'].map(event), [receiver])
    await job.run()
    t.equal(taken.length, 3)
    t.equal(lines.filter((line) => line.includes('an event was not taken')).length, 1)
    state.status = 410
    await publishEvents(sql, ['d', 'e', 'f'].map(event), [receiver])
    await job.run()
    t.equal(taken.length, 6)
    t.equal(lines.filter((line) => line.includes('wants no more')).length, 1)
    t.match(job.stats, { lost: { gone: 6 } })
  },
)

t.test('a receiver that does not answer is left after the time', async (t) => {
  const { receiver, state } = await startReceiver(t)
  state.isSilent = true
  const event = { id: 'a', type: 'events.test', at: new Date(), data: {} } as const
  t.same(await sendEvent(receiver, event, { timeoutMs: 50 }), {
    kind: 'failed',
    reason: 'no answer within 50 ms',
  })
})

t.test('a stop breaks off what a receiver does not answer, and it is sent by the next', async (t) => {
  const { sql, jobOf, due, waiting, event } = await scene(t)
  const { receiver, taken, state, arrived } = await startReceiver(t)
  await publishEvents(sql, [event('a')], [receiver])
  state.isSilent = true
  const job = jobOf([receiver])
  const run = job.run()
  await arrived
  await job.stop(10_000)
  await run
  t.match(await waiting(), [{ event_id: 'a' }])
  state.isSilent = false
  await due()
  await jobOf([receiver]).run()
  t.equal(taken.length, 2)
  t.same(await waiting(), [])
})

t.test('a look that fails does not keep what waits from being sent', async (t) => {
  const { sql, event } = await scene(t)
  const { receiver, arrived } = await startReceiver(t)
  await publishEvents(sql, [event('a')], [receiver])
  let tellLine = (_line: string): void => {}
  const line = new Promise<string>((resolve) => (tellLine = resolve))
  const clock = new FakeClock()
  const job = new EventsJob({
    sql,
    logger: createLogger({ level: 'info', destination: { write: (text: string) => tellLine(text) } }),
    receivers: () => [receiver],
    findOwn: () => Promise.reject(new Error('nobody knows')),
    clock,
  })
  t.teardown(async () => await job.stop(10_000))
  job.start()
  await clock.advance(6000)
  t.match(await line, /nobody knows.*events are not looked for; trying again/)
  await arrived
})

t.test('without receivers nothing is told or kept', async (t) => {
  const { sql, jobOf } = await scene(t)
  const job = jobOf([])
  await job.run()
  t.equal(job.stats, null)
  t.same(await sql`SELECT FROM events`, [])
})

t.test('what waits for a receiver is bounded, and what does not fit is counted', async (t) => {
  const { sql, event } = await scene(t)
  const { receiver } = await startReceiver(t)
  const many = Array.from({ length: MAX_WAITING + 5 }, (_, n) => event(`e${n}`))
  t.same(await publishEvents(sql, many, [receiver]), { lost: 5 })
  t.same(await publishEvents(sql, many, [receiver]), { lost: 0 }, 'what was told is not told again')
})
