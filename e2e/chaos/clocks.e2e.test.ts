import t, { type Test } from 'tap'
import { assertAllStored } from '../harness/accounting.ts'
import { readAudit } from '../harness/audit.ts'
import { request } from '../harness/client.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { shiftedClock } from '../harness/shifted-clock.ts'
import { startUpstream } from '../harness/upstream.ts'
import { untilTrue } from '../harness/wait.ts'

const DAY_MS = 86_400_000

async function send(gateway: TestGateway, key: string, n: number): Promise<void> {
  for (let i = 0; i < n; i++) await request(`${gateway.proxyUrl}/files/ok`, { key })
}

async function statusOf(gateway: TestGateway, key: string): Promise<number> {
  return (await request(`${gateway.proxyUrl}/files/ok`, { key })).status
}

/** Entries whose time is not that of the last minutes by the database. */
async function strays(db: TestDatabase): Promise<number> {
  const [row] = await db.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM access_log WHERE abs(extract(epoch FROM started_at - now())) > 600`,
  )
  return row?.n ?? -1
}

async function configOf(t: Test) {
  const upstream = await startUpstream(t)
  return {
    routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
    accessLog: { flushIntervalMs: 50, retentionDays: 30 },
  }
}

t.test(
  'D1: gateways 40 days ahead and behind share a database with a right one, and nothing is lost',
  async (t) => {
    const [db, config] = await Promise.all([testDatabase(t), configOf(t)])
    const right = await startGateway(t, { databaseUrl: db.url, config })
    const key = await right.mint({ tenant: 'acme', scopes: ['files:read'] })
    const short = await right.mint({ tenant: 'acme', scopes: ['files:read'], flags: ['--expires', '1h'] })
    await send(right, key, 20)
    let sent = 20
    for (const days of [40, -40]) {
      const clock = await shiftedClock(t, days * DAY_MS)
      const wrong = await startGateway(t, { databaseUrl: db.url, config, env: clock.env })
      await untilTrue('it knows the key', async () => (sent++, (await statusOf(wrong, key)) === 200))
      await send(wrong, key, 20)
      t.equal(await statusOf(wrong, short), 200, 'a key that has an hour to live works')
      sent += 21
      await wrong.waitForLog('it drops nothing', ({ msg }) =>
        String(msg).startsWith('no partition is dropped'),
      )
      const offset = (await wrong.metrics()).sum('waybill_clock_offset_seconds')
      t.ok(Math.abs(offset - days * 86_400) < 60, `the metric tells: ${offset} s`)
      const ready = await request(`${wrong.adminUrl}/readyz`, {})
      t.equal(ready.status, 200)
      t.match(String(ready.body), /"code":"clock_offset"/)
      const minted = await wrong.must(
        'keys',
        'mint',
        '--tenant',
        'acme',
        '--scope',
        'files:read',
        '--expires',
        '1h',
      )
      await untilTrue(
        'a key minted there works here',
        async () => (sent++, (await statusOf(right, minted)) === 200),
      )
      await assertAllStored(t, db, [right, wrong], sent)
      const rows = (await wrong.must('logs', '--since', '1h', '--format', 'ndjson')).split('\n')
      t.equal(rows.length, sent, '--since is by the database')
      t.equal(await strays(db), 0, 'all entries bear the time of the database')
      await db.query(
        `UPDATE api_keys SET expires_at = now() - interval '1 minute' WHERE expires_at IS NOT NULL`,
      )
      await untilTrue(
        'an expired key ends there',
        async () => (sent++, (await statusOf(wrong, minted)) === 401),
      )
      await db.query(
        `UPDATE api_keys SET expires_at = now() + interval '1 hour' WHERE expires_at IS NOT NULL`,
      )
      await untilTrue('and works again', async () => (sent++, (await statusOf(right, short)) === 200))
      t.equal(await wrong.stop(), 0)
    }
    await assertAllStored(t, db, [right], sent)
    t.equal(await right.stop(), 0)
    const report = await readAudit(right, '--deep')
    t.match(report, { isComplete: true, total: { accepted: sent, stored: sent, expired: 0 } })
  },
)

t.test('D1: a clock that steps ahead and back under requests stamps no entry into another day', async (t) => {
  const [db, config, clock] = await Promise.all([testDatabase(t), configOf(t), shiftedClock(t, 0)])
  const gateway = await startGateway(t, { databaseUrl: db.url, config, env: clock.env })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  let sent = 0
  for (const days of [40, -40, 0.1, 0]) {
    await clock.step(days * DAY_MS)
    await untilTrue('the step is seen', async () => {
      await send(gateway, key, 5)
      sent += 5
      const offset = (await gateway.metrics()).sum('waybill_clock_offset_seconds')
      return Math.abs(offset - days * 86_400) < 60
    })
    await send(gateway, key, 10)
    sent += 10
  }
  await assertAllStored(t, db, [gateway], sent)
  t.equal(await strays(db), 0)
  t.equal(await gateway.stop(), 0)
  const report = await readAudit(gateway, '--deep')
  t.match(report, { isComplete: true, total: { accepted: sent, stored: sent } })
})
