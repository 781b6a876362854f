import t, { type Test } from 'tap'
import { request } from '../harness/client.ts'
import { testDatabase } from '../harness/database.ts'
import { startForwarder } from '../harness/failure-forwarder.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { startReceiver, type Receiver } from '../harness/receiver.ts'
import { until, untilTrue } from '../harness/wait.ts'

const SECRET = 'secret-of-the-hook'
const MAX_WAITING = 20

function hook(receiver: Receiver, tenant: string): object {
  return {
    name: tenant,
    kind: 'integration',
    path: `/hooks/${tenant}/`,
    upstream: receiver.url,
    auth: 'signature',
    tenant,
    signature: { scheme: 'token', header: 'X-Token', secrets: [SECRET] },
    mode: 'accept',
    accept: { patienceMs: 0 },
    deliver: { retries: { max: 100, minMs: 100, maxMs: 200 }, breaker: { failures: 3, openMs: 300 } },
  }
}

interface Ready {
  readonly status: number
  readonly reasons: readonly string[]
  readonly warnings: readonly string[]
}

async function readiness(gateway: TestGateway): Promise<Ready> {
  const { status, body } = await request(`${gateway.adminUrl}/readyz`, {})
  const told = JSON.parse(body.toString()) as Record<'reasons' | 'warnings', { code: string }[]>
  const codes = (of: 'reasons' | 'warnings'): string[] =>
    told[of].map(({ code }) => code).filter((code) => code.startsWith('deliveries_'))
  return { status, reasons: codes('reasons'), warnings: codes('warnings') }
}

function untilReadiness(gateway: TestGateway, what: string, isSo: (ready: Ready) => boolean): Promise<Ready> {
  return until(what, async () => {
    const ready = await readiness(gateway)
    return isSo(ready) ? ready : undefined
  })
}

async function send(gateway: TestGateway, tenant: string, body = '{}'): Promise<number> {
  const headers = { 'x-token': SECRET, 'content-type': 'application/json' }
  const { status } = await request(`${gateway.proxyUrl}/hooks/${tenant}/`, { method: 'POST', headers, body })
  return status
}

async function fillOf(gateway: TestGateway, bound: 'tenant' | 'disk'): Promise<number> {
  return (await gateway.metrics()).sum('waybill_deliveries_fill_ratio', { bound })
}

/** A receiver that is down at first, and a gateway whose routes accept for these tenants. */
async function scene(t: Test, tenants: readonly string[]) {
  const [db, receiver] = [await testDatabase(t), await startReceiver(t)]
  receiver.answer = (_, res) => void res.writeHead(500).end()
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      routes: tenants.map((tenant) => hook(receiver, tenant)),
      deliveries: { maxWaiting: MAX_WAITING },
    },
  })
  for (const tenant of tenants) await gateway.createTenant(tenant)
  return { gateway, receiver }
}

t.test('a tenant with 95 % of what it may have waiting is a warning, which goes with them', async (t) => {
  const { gateway, receiver } = await scene(t, ['acme', 'globex'])
  for (let n = 1; n < MAX_WAITING - 1; n++) t.equal(await send(gateway, 'acme'), 202)
  t.match(await readiness(gateway), { status: 200, reasons: [], warnings: [] }, 'at 90 %')
  t.equal(await send(gateway, 'acme'), 202)
  t.match(
    await untilReadiness(gateway, 'the warning', ({ warnings }) => warnings.length > 0),
    { status: 200, reasons: [], warnings: ['deliveries_nearly_full'] },
    'the other tenant is served: a balancer sends traffic',
  )
  t.equal(await fillOf(gateway, 'tenant'), 0.95)
  await gateway.waitForLog('the tenant', ({ msg, tenant }) => {
    return msg === 'deliveries: a tenant has nearly as many waiting as it may' && tenant === 'acme'
  })
  t.equal(await send(gateway, 'globex'), 202)
  t.equal(await send(gateway, 'acme'), 202)
  t.equal(await send(gateway, 'acme'), 503, 'beyond the bound')

  receiver.answer = (_, res) => void res.writeHead(204).end()
  await untilReadiness(gateway, 'no warning', ({ warnings }) => warnings.length === 0)
  await untilTrue('nothing waits', async () => (await fillOf(gateway, 'tenant')) === 0)
  t.equal(await send(gateway, 'acme'), 202)
  t.equal(await gateway.stop(), 0)
})

t.test('a gateway that is there for nothing but deliveries that have no room is not ready', async (t) => {
  const { gateway, receiver } = await scene(t, ['acme', 'globex'])
  for (let n = 1; n < MAX_WAITING; n++) {
    for (const tenant of ['acme', 'globex']) t.equal(await send(gateway, tenant), 202)
  }
  t.match(await untilReadiness(gateway, 'not ready', ({ status }) => status === 503), {
    reasons: ['deliveries_nearly_full'],
    warnings: [],
  })
  t.equal((await gateway.metrics()).sum('waybill_ready', {}), 0)
  t.equal(await send(gateway, 'acme'), 202, 'what comes all the same is kept as long as there is room')
  receiver.answer = (_, res) => void res.writeHead(204).end()
  await untilReadiness(gateway, 'ready again', ({ status }) => status === 200)
  t.equal(await gateway.stop(), 0)
})

t.test(
  'a disk with 95 % of what it may take while the database is away is told, and goes with it',
  async (t) => {
    const [db, receiver] = [await testDatabase(t), await startReceiver(t)]
    const forwarder = await startForwarder(t, db)
    await forwarder.open()
    const gateway = await startGateway(t, {
      databaseUrl: forwarder.url,
      config: { routes: [hook(receiver, 'acme')], deliveries: { spoolBytes: '16KiB' }, workers: 1 },
    })
    await gateway.createTenant('acme')
    t.equal(await send(gateway, 'acme'), 202)
    await forwarder.close()
    // What does not fit is refused; smaller ones go in beside it.
    for (let n = 0; n < 200; n++) {
      await send(gateway, 'acme')
      if ((await fillOf(gateway, 'disk')) >= 0.95) break
    }
    t.ok((await fillOf(gateway, 'disk')) >= 0.95)
    t.match(await untilReadiness(gateway, 'not ready', ({ status }) => status === 503), {
      reasons: ['deliveries_disk_nearly_full'],
    })
    await forwarder.open()
    await untilReadiness(gateway, 'ready again', ({ status }) => status === 200)
    t.equal(await gateway.stop(), 0)
  },
)
