import t from 'tap'
import { assertAllStored } from './harness/accounting.ts'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { startUpstream } from './harness/upstream.ts'

t.test('a GET that fails now and then is sent again, a POST is not, and none without a budget', async (t) => {
  const failing: string[] = []
  const upstream = await startUpstream(t, {
    '/now-and-then': (req, res) => {
      req.resume()
      const how = failing.shift()
      res.writeHead(how === undefined ? 200 : Number(how)).end('answer')
    },
  })
  const db = await testDatabase(t)
  const kept = { kind: 'generic', upstream: upstream.url }
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      routes: [
        { ...kept, name: 'again', path: '/again/', retries: { budgetPerSecond: 100 } },
        { ...kept, name: 'poor', path: '/poor/', retries: { budgetPerSecond: 0, budgetShare: 0 } },
        { ...kept, name: 'once', path: '/once/' },
      ],
      accessLog: { flushIntervalMs: 50 },
    },
  })
  const key = await gateway.mint({
    tenant: 'acme',
    scopes: ['again:read', 'again:write', 'once:read', 'poor:read'],
  })
  const ask = async (route: string, fails: readonly string[], method = 'GET'): Promise<number> => {
    failing.splice(0, failing.length, ...fails)
    const url = `${gateway.proxyUrl}/${route}/now-and-then?id=${fails.join('-')}${method}${route}`
    return (await request(url, { key, method })).status
  }
  t.equal(await ask('again', ['503', '502']), 200)
  t.equal(upstream.counts.get('503-502GETagain'), 3)
  t.equal(await ask('once', ['503']), 503, 'a route without retries passes it on')
  t.equal(await ask('again', ['503'], 'POST'), 503)
  t.equal(await ask('again', ['502', '502', '502']), 502, 'twice at most')
  t.equal(upstream.counts.get('502-502-502GETagain'), 3)
  t.equal(await ask('poor', ['504']), 504, 'a budget that is used up')
  t.equal(upstream.counts.get('504GETpoor'), 1)
  const metrics = await gateway.metrics()
  t.equal(metrics.sum('waybill_upstream_retries_total', { route: 'again', result: 'sent' }), 4)
  t.equal(metrics.sum('waybill_upstream_retries_total', { route: 'poor', result: 'no_budget' }), 1)
  await assertAllStored(t, db, [gateway], 5)
})
