import t from 'tap'
import { TestDeliveries } from '../../test/api/deliveries.ts'
import { TestRows } from '../../test/api/rows.ts'
import { testDatabase } from '../../test/database.ts'
import { dropDeliveries, redeliver } from './delivery-decisions.ts'
import { proveDeliveries } from './delivery-proofs.ts'

const { sql } = await testDatabase(t)
const rows = await TestRows.open(sql)
const deliveries = await TestDeliveries.open(sql)
const prove = async (tenant: string) => (await proveDeliveries(sql, { tenant, settledTo: null }))?.[0]

/** Keeps as many of a tenant, with the entries of their senders. */
async function kept(tenant: string, n: number): Promise<string[]> {
  const ids = await deliveries.keep(n, { tenant, route: tenant, requestId: `of-${tenant}` })
  const entry = { tenant, route: tenant, request_id: `of-${tenant}`, outcome: 'accepted', status: 202 }
  await rows.store(ids.map(() => entry))
  return ids
}

const attempted = (tenant: string, ids: readonly string[], outcome: string) =>
  rows.store(ids.map((id) => ({ tenant, route: tenant, request_id: id, outcome })))

t.test('books close over everything that may become of a delivery', async (t) => {
  const first = await kept('closed', 3)
  await deliveries.end('closed', 'delivered')
  await attempted('closed', first, 'delivered')
  await kept('closed', 2)
  await deliveries.end('closed', 'dead')
  t.equal((await redeliver(sql, { tenant: 'closed', state: 'dead' }, 1)).length, 1)
  await kept('closed', 1)
  t.equal((await dropDeliveries(sql, { tenant: 'closed', state: 'waiting' }, 1)).length, 1)
  t.match(await prove('closed'), {
    accepted: 6,
    repeated: 1,
    delivered: 3,
    waiting: 1,
    dead: 2,
    dropped: 1,
    missing: 0,
    unproven: 0,
  })
})

t.test('a row that was tampered with is found', async (t) => {
  for (const [tenant, change, found] of [
    ['gone', () => sql`DELETE FROM deliveries WHERE tenant = 'gone'`, { accepted: 0, missing: 1 }],
    [
      'forgotten',
      () => sql`DELETE FROM delivery_work WHERE tenant = 'forgotten'`,
      { accepted: 1, waiting: 1, missing: 1 },
    ],
    [
      'over',
      () => sql`UPDATE deliveries SET state = 'dropped' WHERE tenant = 'over'`,
      { dropped: 1, missing: 1 },
    ],
    [
      'claimed',
      async () => {
        await sql`DELETE FROM delivery_work WHERE tenant = 'claimed'`
        await sql`UPDATE deliveries SET state = 'delivered' WHERE tenant = 'claimed'`
      },
      { delivered: 1, missing: 0, unproven: 1 },
    ],
  ] as const) {
    await attempted(tenant, await kept(tenant, 1), 'delivery_failed')
    t.match(await prove(tenant), { waiting: 1, missing: 0, unproven: 0 }, tenant)
    await change()
    t.match(await prove(tenant), found, tenant)
  }
})

t.test('entries of days whose deliveries have expired miss nothing', async (t) => {
  await kept('expired', 1)
  await sql`SELECT delivery_partitions(now() - interval '3 days')`
  const started_at = new Date(deliveries.startMs - 86_400_000)
  await rows.store([{ tenant: 'expired', request_id: 'old', outcome: 'accepted', started_at }])
  t.match(await prove('expired'), { missing: 1 })
  await sql.unsafe(`DROP TABLE deliveries_${started_at.toISOString().slice(0, 10).replaceAll('-', '')}`)
  t.match(await prove('expired'), { accepted: 1, missing: 0 })
})

t.test('what is younger than what live gateways have stored is not judged', async (t) => {
  await kept('young', 1)
  const settledTo = new Date(deliveries.startMs - 1000)
  t.same(await proveDeliveries(sql, { tenant: 'young', settledTo }), [])
})
