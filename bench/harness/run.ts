import { CANDIDATES } from '../candidates.ts'
import { waybillsOfBuild } from '../candidates/waybill.ts'
import { EXTRAS } from '../extras.ts'
import type { BenchOptions } from '../options.ts'
import { SCENARIOS, type Scenario } from '../scenarios.ts'
import type { Candidate } from './candidate.ts'
import { commitOf, describeMachine } from './machine.ts'
import { measure, problemsOf } from './measure.ts'
import { nameInAnyBuild } from './other-build.ts'
import { productIn, ROOT } from './paths.ts'
import type { Cell, Figure, Result } from './result.ts'
import { orderOfRound } from './round-order.ts'
import { Setup, type Contestant } from './setup.ts'

/** Scenarios without a goal of their own are run less often: each takes two minutes a round. */
const SHARE_OF_ROUNDS = 0.6

type Tell = (line: string) => void

/**
 * One run: all candidates are started and stay up (or start anew for each round, with `isFresh`), and each round of a scenario
 * measures all of them one after the other, so that a change of the machine's mood meets all alike.
 */
export async function runBench(options: BenchOptions, tell: Tell): Promise<Result> {
  const startedAt = performance.now()
  const at = new Date().toISOString()
  const problems: string[] = []
  const cells: Cell[] = []
  const figures: Figure[] = []
  // Read before the run: the checkout may get further commits while it lasts.
  const commit = commitOf(ROOT)
  const against = options.against === null ? null : commitOf(options.against)
  const { candidates, missing } = candidatesOf(options, against, tell)
  const setup = await Setup.start(options.cpu)
  try {
    const fail = (problem: string): void => {
      problems.push(problem)
      tell(`DOES NOT COUNT: ${problem}`)
    }
    const contestants: Contestant[] = []
    for (const candidate of candidates) {
      contestants.push(await enter(setup, candidate))
      tell(`${candidate.name} runs: ${candidate.what}`)
    }
    for (const scenario of SCENARIOS.filter(({ name }) => options.scenarios.includes(name))) {
      cells.push(...(await runScenario({ setup, contestants, options, scenario, tell, fail })))
    }
    const { seconds, isQuick } = options
    const rounds = isQuick ? Math.min(2, options.rounds) : options.rounds
    for (const extra of EXTRAS.filter(({ name }) => options.scenarios.includes(name))) {
      tell(`${extra.name}: ${extra.what}`)
      try {
        figures.push(...(await extra.run({ setup, contestants, rounds, seconds, isQuick, tell, fail })))
      } catch (error) {
        // What was measured before is kept.
        fail(`${extra.name}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    return {
      format: 1,
      at,
      commit,
      ...(against === null ? {} : { against }),
      candidates: Object.fromEntries(candidates.map(({ name, what }) => [name, what])),
      machine: describeMachine(setup.placement),
      postgres: await setup.server.describe(),
      upstream: setup.upstream.what,
      rounds: options.rounds,
      secondsEach: seconds,
      tookSeconds: (performance.now() - startedAt) / 1000,
      missing,
      cells,
      figures,
      problems,
    }
  } finally {
    await setup.stop()
  }
}

/** The chosen candidates that can run here, each form of Waybill beside the same of the other build. */
function candidatesOf(
  options: BenchOptions,
  against: string | null,
  tell: Tell,
): { readonly candidates: readonly Candidate[]; readonly missing: Readonly<Record<string, string>> } {
  const others =
    options.against === null ? [] : waybillsOfBuild(productIn(options.against), against ?? 'unknown')
  const missing: Record<string, string> = {}
  const candidates: Candidate[] = []
  for (const candidate of CANDIDATES.filter(({ name }) => options.candidates.includes(name))) {
    const lacking = candidate.missing()
    if (lacking === null) {
      candidates.push(...others.filter(({ name }) => nameInAnyBuild(name) === candidate.name), candidate)
      continue
    }
    missing[candidate.name] = lacking
    tell(`${candidate.name} is left out: ${lacking} is missing`)
  }
  return { candidates, missing }
}

async function enter(setup: Setup, candidate: Candidate): Promise<Contestant> {
  const contestant = await setup.enter(candidate)
  await setup.warmUp(contestant)
  return contestant
}

interface ScenarioRun {
  readonly setup: Setup
  /** Those that run; replaced where they start anew. */
  readonly contestants: Contestant[]
  readonly options: BenchOptions
  readonly scenario: Scenario
  readonly tell: Tell
  readonly fail: Tell
}

async function runScenario(run: ScenarioRun): Promise<Cell[]> {
  const { setup, contestants, options, scenario, tell, fail } = run
  const cells: Cell[] = []
  tell(`${scenario.name}: ${scenario.what}`)
  const rounds = scenario.isMain ? options.rounds : Math.max(1, Math.round(options.rounds * SHARE_OF_ROUNDS))
  for (let round = 1; round <= rounds; round++) {
    if (options.isFresh && round > 1) await startAnew(run)
    const those = contestants.filter(({ candidate }) => takesPart(scenario, candidate.name))
    for (const contestant of orderOfRound(those, round)) {
      const cell = await measure({ contestant, scenario, round, seconds: options.seconds, setup })
      for (const problem of problemsOf(cell))
        fail(`${cell.candidate}, ${scenario.name}, round ${round}: ${problem}`)
      cells.push(cell)
      tell(progress(cell, round, rounds))
    }
  }
  return cells
}

/** New processes of those that the scenario measures. */
async function startAnew({ setup, contestants, scenario }: ScenarioRun): Promise<void> {
  for (const [i, contestant] of contestants.entries()) {
    const { candidate } = contestant
    if (!takesPart(scenario, candidate.name)) continue
    await setup.leave(contestant)
    contestants[i] = await enter(setup, candidate)
  }
}

function takesPart({ tenants }: Scenario, candidate: string): boolean {
  return tenants === null || nameInAnyBuild(candidate) === 'waybill'
}

function progress(cell: Cell, round: number, rounds: number): string {
  const { scenario, candidate, cpuUs, requestsPerSecond, latencyMs } = cell
  const cpu = cpuUs === null ? '–' : `${cpuUs.total.toFixed(1)} µs`
  const where = `${scenario} ${round}/${rounds} ${candidate}`.padEnd(44)
  return `${where} ${cpu.padStart(12)} ${requestsPerSecond.toFixed(0).padStart(8)}/s  p99 ${latencyMs.p99.toFixed(2)} ms`
}
