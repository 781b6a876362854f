import t from 'tap'
import { ROUTE_KINDS, type RouteKind } from '../model/route.ts'
import { corpusOf } from '../test/corpus.ts'
import { identify } from './identify.ts'

// What the background pays to identify a path, for each row of the corpus: node dist/artifacts/identify.bench.js

/** A call alone is shorter than the clock can tell. */
const CALLS = 100
const ROUNDS = 40
const GOAL_NS = 1000

/** Keeps what is found alive, so that no call is left out as useless. */
let found = 0

t.test('nanoseconds a path', async (t) => {
  const all: number[] = []
  for (const kind of ROUTE_KINDS) {
    if (kind === 'integration') continue
    const costs = costsOf(kind)
    all.push(...costs)
    t.comment(line(kind, costs))
  }
  t.comment(line('all', all))
  t.ok(quantile(all, 0.5) <= GOAL_NS, `the median is at most ${GOAL_NS} ns`)
  t.ok(found > 0)
})

/** Of each row, its fastest round: on a shared machine the others measure its neighbours. Rounds go through all rows in turn. */
function costsOf(kind: RouteKind): number[] {
  const route = { kind, upstream: { origin: 'https://repo.example.test' } }
  const rows = corpusOf(kind).map(({ request: { method, path, query } }) => ({
    method,
    target: path + query,
    rounds: new Array<number>(),
  }))
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { method, target, rounds } of rows) {
      const startedAt = process.hrtime.bigint()
      for (let i = 0; i < CALLS; i++) found += identify(route, method, target).kind.length
      // The first round warms up.
      if (round > 0) rounds.push(Number(process.hrtime.bigint() - startedAt) / CALLS)
    }
  }
  return rows.map(({ rounds }) => Math.min(...rounds))
}

function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)] ?? Number.NaN
}

function line(name: string, costs: readonly number[]): string {
  const [median, high, most] = [0.5, 0.99, 1].map((part) => Math.round(quantile(costs, part)))
  return `${name.padEnd(8)} ${costs.length} paths: median ${median} ns, 99 of 100 ${high}, slowest ${most}`
}
