import t from 'tap'
import type { Snapshot } from '../model/grant.ts'
import { startGateway } from '../test/gateway.ts'
import { Upkeep } from './upkeep.ts'

const TICK_MS = 250

t.test('idle rates are forgotten with each new snapshot, and after 20 ticks without one', async (t) => {
  const gateway = await startGateway(t)
  const { handler, directory } = gateway
  const evictedAt: number[] = []
  const limiter = Object.assign(Object.create(gateway.limiter), {
    evictIdle: (tick: number) => evictedAt.push(tick / TICK_MS),
  }) as typeof gateway.limiter
  const upkeep = new Upkeep({
    limiter,
    directory,
    exchanges: handler.exchanges,
    endsRevoked: true,
    nowMs: () => 0,
    report: (error) => handler.report(error),
  })
  for (let i = 1; i <= 42; i++) {
    if (i === 5) directory.snapshot = { ...(directory.snapshot as Snapshot) }
    upkeep.tick(i * TICK_MS)
  }
  t.same(evictedAt, [1, 5, 20, 40])
  await gateway.finish(t, [])
})

t.test('a phase past its limit ends once, and its limit counts anew', async (t) => {
  const gateway = await startGateway(t, { routes: [{ headerTimeoutMs: 60_000 }] })
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.1'))
  await gateway.upstream.request()
  const [exchange] = [...gateway.handler.exchanges]
  if (exchange === undefined) throw new Error('no exchange is under way')
  const arrived = exchange.activeTick
  gateway.handler.tick(arrived + 59_999)
  t.equal(exchange.hasEnding, false, 'within its limit')
  gateway.handler.tick(arrived + 60_001)
  t.equal((await client.message()).status, 504)
  t.equal(exchange.activeTick, arrived + 60_001)
  await gateway.finish(t, [{ outcome: 'upstream_timeout', reason: 'response_timeout', status: 504 }])
})
