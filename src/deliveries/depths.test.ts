import t from 'tap'
import { Depths } from './depths.ts'

function depth(tenant: string, waiting: number, bytes = 0): Parameters<Depths['set']>[0][number] {
  return { tenant, waiting, dead: 0, bytes, oldestMs: 0 }
}

t.test(
  'a tenant is nearly full by what the database told and what came since, by number or bytes',
  async (t) => {
    const told: unknown[] = []
    const depths = new Depths({ deliveries: 100, bytes: 1000 }, (tenant, isFull) =>
      told.push([tenant, isFull]),
    )
    t.equal(depths.fullest, 0)
    depths.set([depth('acme', 94), depth('globex', 1, 949)])
    t.same([...depths.nearlyFull], [])
    depths.note('acme', 0)
    depths.note('globex', 1)
    t.same([...depths.nearlyFull].sort(), ['acme', 'globex'])
    t.equal(depths.fullest, 0.95)
    t.notOk(depths.isFull('acme'))
    depths.note('initech', 1500)
    t.equal(depths.fullest, 1.5)
    t.ok(depths.isFull('initech'))
    depths.set([depth('acme', 90)])
    t.same([...depths.nearlyFull], ['acme'], 'one with nothing waiting is not among those told, and has room')
    depths.set([])
    t.same([...depths.nearlyFull], [])
    t.same(
      told.filter((one) => (one as string[])[0] === 'acme'),
      [
        ['acme', true],
        ['acme', false],
      ],
    )
  },
)
