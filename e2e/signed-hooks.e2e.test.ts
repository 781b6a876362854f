import { createHmac } from 'node:crypto'
import t from 'tap'
import { assertAllStored } from './harness/accounting.ts'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { startUpstream } from './harness/upstream.ts'

const SECRETS = ['the first secret of the hook', 'the second secret of the hook']

t.test(
  'webhooks that are signed reach their receiver and are their tenant’s; others reach nobody',
  async (t) => {
    const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
    const gateway = await startGateway(t, {
      databaseUrl: db.url,
      config: {
        routes: [
          {
            name: 'github',
            kind: 'integration',
            path: '/hooks/github/',
            upstream: upstream.url,
            auth: 'signature',
            tenant: 'acme',
            signature: { scheme: 'github', secrets: SECRETS },
          },
        ],
      },
    })
    await gateway.createTenant('acme')
    const send = async (body: string, secret: string): Promise<number> => {
      const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
      const headers = { 'x-hub-signature-256': signature, 'content-type': 'application/json' }
      const answer = await request(`${gateway.proxyUrl}/hooks/github/ok`, { method: 'POST', headers, body })
      return answer.status
    }
    const large = JSON.stringify({ commits: 'x'.repeat(3_000_000) })
    for (const [body, secret, status] of [
      ['{}', SECRETS[0] ?? '', 200],
      [large, SECRETS[1] ?? '', 200],
      ['{}', 'a secret of somebody else', 401],
      ['{"commits":"' + 'y'.repeat(11 * 1024 * 1024), SECRETS[0] ?? '', 413],
    ] as const)
      t.equal(await send(body, secret), status)
    await assertAllStored(t, db, [gateway], 4)
    t.strictSame(
      await db.query(`SELECT tenant, key_id, status, reason FROM access_log ORDER BY started_at, seq`),
      [
        { tenant: 'acme', key_id: null, status: 200, reason: null },
        { tenant: 'acme', key_id: null, status: 200, reason: null },
        { tenant: null, key_id: null, status: 401, reason: 'wrong_signature' },
        { tenant: null, key_id: null, status: 413, reason: null },
      ],
    )
    for (const secret of SECRETS) {
      t.notOk(gateway.stdout.includes(secret))
      t.notOk(JSON.stringify(gateway.log).includes(secret))
    }
    t.equal(await gateway.stop(), 0)
  },
)
