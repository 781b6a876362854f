import t, { type Test } from 'tap'
import { request } from '../harness/client.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { startForwarder } from '../harness/failure-forwarder.ts'
import { startGateway, type GatewayConfig, type TestGateway } from '../harness/gateway.ts'
import { startReceiver, type Receiver } from '../harness/receiver.ts'
import { untilTrue } from '../harness/wait.ts'

const SECRET = 'secret-of-the-hook'
const OBJECTS = ['a', 'b', 'c']

function configOf(receiver: Receiver): GatewayConfig {
  const route = {
    name: 'hook',
    kind: 'integration',
    path: '/hooks/',
    upstream: receiver.url,
    auth: 'signature',
    tenant: 'acme',
    signature: { scheme: 'token', header: 'X-Token', secrets: [SECRET] },
    mode: 'accept',
    deliver: { orderBy: ['$.object'], dedupeBy: '$.id', retries: { minMs: 50, maxMs: 500 } },
  }
  return { routes: [route], accessLog: { flushIntervalMs: 100 } }
}

interface Sent {
  readonly object: string
  readonly n: number
}

/** Sends each object's deliveries one after the other, to the gateways in turn, until each is answered 202; many senders do so. */
async function sendAll(
  gateways: () => readonly TestGateway[],
  count: number,
  onSent = (): void => {},
): Promise<void> {
  await Promise.all(
    OBJECTS.map(async (object) => {
      for (let n = 0; n < count; n++) {
        const body = JSON.stringify({ object, n, id: `${object} ${n}` })
        for (let i = n; ; i++) {
          const all = gateways()
          const gateway = all[i % all.length]
          const headers = { 'x-token': SECRET, 'content-type': 'application/json' }
          const answer = await request(`${gateway?.proxyUrl}/hooks/`, {
            method: 'POST',
            headers,
            body,
          }).catch(() => null)
          if (answer?.status === 202) break
        }
        onSent()
      }
    }),
  )
}

/** Each delivery was taken; the first time of each in the order in which they were sent. */
function assertInOrder(t: Test, receiver: Receiver, count: number): void {
  const bodies = receiver.taken.map(({ body }) => JSON.parse(body) as Sent)
  for (const object of OBJECTS) {
    const order = [...new Set(bodies.filter((one) => one.object === object).map(({ n }) => n))]
    t.same(order, [...Array(count).keys()], `${object}: all, in order`)
  }
  t.comment(`${bodies.length} calls for ${OBJECTS.length * count} deliveries`)
}

async function untilDone(db: TestDatabase, count: number): Promise<void> {
  await untilTrue(
    'all are delivered',
    async () => {
      const rows = await db.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM deliveries WHERE state = 'delivered'`,
      )
      return rows[0]?.n === OBJECTS.length * count
    },
    { timeoutMs: 60_000, describe: () => 'see the table deliveries' },
  )
}

for (const how of ['cut off', 'frozen'] as const) {
  t.test(
    `with the database ${how}, senders are answered 202 and nothing is lost, doubled or out of order`,
    async (t) => {
      const [db, receiver] = [await testDatabase(t), await startReceiver(t)]
      const forwarder = await startForwarder(t, db)
      await forwarder.open()
      const gateway = await startGateway(t, { databaseUrl: forwarder.url, config: configOf(receiver) })
      await gateway.createTenant('acme')
      await sendAll(() => [gateway], 5)
      await untilDone(db, 5)
      if (how === 'cut off') await forwarder.close()
      else forwarder.mode = 'swallow'
      let sent = 0
      await sendAll(
        () => [gateway],
        15,
        () => sent++,
      )
      t.equal(sent, OBJECTS.length * 15, 'all were answered 202, those that came before too')
      if (how === 'cut off') await forwarder.open()
      else forwarder.mode = 'forward'
      await untilDone(db, 15)
      assertInOrder(t, receiver, 15)
      // The first five of each were sent twice, and are on disk as duplicates of what was delivered.
      await untilTrue('the seconds are noted', async () => {
        const [row] = await db.query<{ n: number }>(
          `SELECT count(*)::int AS n FROM deliveries WHERE state = 'duplicate' AND into_id IS NOT NULL`,
        )
        return row?.n === OBJECTS.length * 5
      })
      t.equal(receiver.taken.length, OBJECTS.length * 15, 'each once')
      t.equal(await gateway.stop(), 0)
    },
  )
}

t.test('a gateway that is killed loses none: another takes its route over', async (t) => {
  const [db, receiver] = [await testDatabase(t), await startReceiver(t)]
  const config = configOf(receiver)
  const first = await startGateway(t, { databaseUrl: db.url, config })
  await first.createTenant('acme')
  const second = await startGateway(t, { databaseUrl: db.url, config })
  let alive: readonly TestGateway[] = [first, second]
  await sendAll(() => alive, 3)
  await untilDone(db, 3)
  let sent = 0
  const sending = sendAll(
    () => alive,
    40,
    () => sent++,
  )
  await untilTrue('a third is sent', () => sent > 40)
  // The first gateway was there before the second, and has the route.
  alive = [second]
  await first.kill()
  await sending
  await untilDone(db, 40)
  assertInOrder(t, receiver, 40)
  t.same(await db.query(`SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids FROM deliveries`), [
    { n: 120, ids: 120 },
  ])
  t.equal(await second.stop(), 0)
})
