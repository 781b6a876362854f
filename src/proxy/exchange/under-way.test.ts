import t from 'tap'
import { AccessEntry } from '../../model/access-entry.ts'
import type { Exchange } from './exchange.ts'
import { longUnderWay } from './under-way.ts'

function exchange(n: number, startedTick: number, phase = 'body'): Exchange {
  const toEntry = (): AccessEntry =>
    Object.assign(new AccessEntry(), { tenant: 'acme', path: `/${n}/${'x'.repeat(400)}`, requestId: `r${n}` })
  return { startedTick, phase, toEntry } as never
}

t.test('D6: those under way for long are named, oldest first, with a bounded path', async (t) => {
  const young = exchange(1, 9000)
  const tunnel = exchange(2, 100, 'upgraded')
  const old = exchange(3, 50)
  const { count, named } = longUnderWay([young, tunnel, old], 4000, 10_000)
  t.equal(count, 2)
  t.match(named, [
    { requestId: 'r3', tenant: 'acme', isTunnel: false },
    { requestId: 'r2', isTunnel: true },
  ])
  t.ok(named.every(({ path }) => path.length <= 256))
})

t.test('D6: of very many the oldest hundred are named, and all are counted', async (t) => {
  const many = Array.from({ length: 1000 }, (_, i) => exchange(i, (i * 7919) % 1000))
  const { count, named } = longUnderWay(many, 4000, 10_000)
  t.equal(count, 1000)
  t.equal(named.length, 100)
  const ticks = named.map(({ requestId }) => (Number(requestId.slice(1)) * 7919) % 1000)
  t.same(
    ticks,
    Array.from({ length: 100 }, (_, i) => i),
  )
})
