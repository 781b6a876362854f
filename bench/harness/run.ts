import { CANDIDATES } from '../candidates.ts'
import type { Contestant } from './setup.ts'
import { Setup } from './setup.ts'
import { EXTRAS } from '../extras.ts'
import { commitOf, describeMachine } from './machine.ts'
import { measure, problemsOf } from './measure.ts'
import type { BenchOptions } from '../options.ts'
import { ROOT } from './paths.ts'
import type { Cell, Figure, Result } from './result.ts'
import { SCENARIOS, type Scenario } from '../scenarios.ts'

/** Scenarios without a goal of their own are run less often: each takes two minutes a round. */
const SHARE_OF_ROUNDS = 0.6

type Tell = (line: string) => void

/**
 * One run: all candidates are started and stay up, and each round of a scenario measures all of them one after the other, so
 * that a change of the machine's mood meets all alike.
 */
export async function runBench(options: BenchOptions, tell: Tell): Promise<Result> {
  const startedAt = performance.now()
  const at = new Date().toISOString()
  const missing: Record<string, string> = {}
  const problems: string[] = []
  const cells: Cell[] = []
  const figures: Figure[] = []
  const setup = await Setup.start(options.cpu)
  try {
    const fail = (problem: string): void => {
      problems.push(problem)
      tell(`DOES NOT COUNT: ${problem}`)
    }
    const contestants = await enterAll(setup, options, missing, tell)
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
      commit: commitOf(ROOT),
      machine: describeMachine(setup.placement),
      postgres: await setup.server.describe(),
      upstream: setup.upstream.what,
      rounds,
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

async function enterAll(
  setup: Setup,
  options: BenchOptions,
  missing: Record<string, string>,
  tell: Tell,
): Promise<Contestant[]> {
  const contestants: Contestant[] = []
  for (const candidate of CANDIDATES.filter(({ name }) => options.candidates.includes(name))) {
    const lacking = candidate.missing()
    if (lacking !== null) {
      missing[candidate.name] = lacking
      tell(`${candidate.name} is left out: ${lacking} is missing`)
      continue
    }
    const contestant = await setup.enter(candidate)
    contestants.push(contestant)
    await setup.warmUp(contestant)
    tell(`${candidate.name} runs: ${candidate.what}`)
  }
  return contestants
}

async function runScenario(context: {
  readonly setup: Setup
  readonly contestants: readonly Contestant[]
  readonly options: BenchOptions
  readonly scenario: Scenario
  readonly tell: Tell
  readonly fail: Tell
}): Promise<Cell[]> {
  const { setup, options, scenario, tell, fail } = context
  const contestants = context.contestants.filter(({ candidate }) => takesPart(scenario, candidate.name))
  const cells: Cell[] = []
  tell(`${scenario.name}: ${scenario.what}`)
  const rounds = scenario.isMain ? options.rounds : Math.max(1, Math.round(options.rounds * SHARE_OF_ROUNDS))
  for (let round = 1; round <= rounds; round++) {
    // Another one begins in each round, so that none always has the same neighbour before it.
    const first = ((round - 1) * 5) % Math.max(1, contestants.length)
    for (const contestant of [...contestants.slice(first), ...contestants.slice(0, first)]) {
      const cell = await measure({ contestant, scenario, round, seconds: options.seconds, setup })
      for (const problem of problemsOf(cell))
        fail(`${cell.candidate}, ${scenario.name}, round ${round}: ${problem}`)
      cells.push(cell)
      tell(progress(cell, round, rounds))
    }
  }
  return cells
}

function takesPart({ tenants }: Scenario, candidate: string): boolean {
  return tenants === null || candidate === 'waybill'
}

function progress(cell: Cell, round: number, rounds: number): string {
  const { scenario, candidate, cpuUs, requestsPerSecond, latencyMs } = cell
  const cpu = cpuUs === null ? '–' : `${cpuUs.total.toFixed(1)} µs`
  const where = `${scenario} ${round}/${rounds} ${candidate}`.padEnd(44)
  return `${where} ${cpu.padStart(12)} ${requestsPerSecond.toFixed(0).padStart(8)}/s  p99 ${latencyMs.p99.toFixed(2)} ms`
}
