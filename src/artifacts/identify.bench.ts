import t from 'tap'
import { ROUTE_KINDS, type RouteKind } from '../model/route.ts'
import { corpusOf } from '../test/corpus.ts'
import { identify } from './identify.ts'

// What the background pays to identify a path, for each row of the corpus: node dist/artifacts/identify.bench.js

/** A call alone is shorter than the clock can tell. */
const CALLS = 100
const ROUNDS = 40
const GOAL_NS = 1000
/** Steps of the reference loop in one round. */
const STEPS = 100_000

/** Keeps what is found alive, so that no call is left out as useless. */
let found = 0

t.test('nanoseconds a path', async (t) => {
  const all: number[] = []
  const steps: number[] = []
  for (const kind of ROUTE_KINDS) {
    if (kind === 'integration') continue
    const costs = costsOf(kind)
    all.push(...costs)
    steps.push(referenceStep())
    t.comment(line(kind, costs))
  }
  t.comment(line('all', all))
  const median = quantile(all, 0.5)
  const step = quantile(steps, 0.5)
  t.comment(`the median is ${median <= GOAL_NS ? 'under' : 'over'} ${GOAL_NS} ns`)
  t.comment(`reference: ${step.toFixed(2)} ns a step, ${Math.min(...steps).toFixed(2)} at best`)
  t.comment(`the median is ${Math.round(median / step)} steps`)
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

/**
 * Nanoseconds of one step of a loop that reads a character, multiplies and adds: what this machine is worth at this moment, taken after each
 * kind. Times of two runs compare as steps.
 */
function referenceStep(): number {
  const text = '/org/apache/commons/commons-lang3/3.14.0/commons-lang3-3.14.0.jar'
  const rounds: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    let sum = 0
    const startedAt = process.hrtime.bigint()
    for (let i = 0; i < STEPS; i++) sum = (Math.imul(sum, 31) + text.charCodeAt(i & 63)) | 0
    if (round > 0) rounds.push(Number(process.hrtime.bigint() - startedAt) / STEPS)
    found += sum & 1
  }
  return Math.min(...rounds)
}

function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)] ?? Number.NaN
}

function line(name: string, costs: readonly number[]): string {
  const [median, high, most] = [0.5, 0.99, 1].map((part) => Math.round(quantile(costs, part)))
  return `${name.padEnd(8)} ${costs.length} paths: median ${median} ns, 99 of 100 ${high}, slowest ${most}`
}
