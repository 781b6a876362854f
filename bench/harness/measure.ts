import type { Running } from './candidate.ts'
import type { Contestant, Setup } from './setup.ts'
import { requestHead } from './load.ts'
import type { Job, JobResult } from '../load-generator/job.ts'
import { busyUsOf, cpuOf, residentBytesOf, type CpuUs } from './process.ts'
import type { Cell } from './result.ts'
import type { Scenario } from '../scenarios.ts'

const WARM_UP_SECONDS = 0.5

/** Measures one cell. Its accounts say whether it counts: see `problemsOf`. */
export async function measure(options: {
  readonly contestant: Contestant
  readonly scenario: Scenario
  readonly round: number
  readonly seconds: number
  readonly setup: Setup
}): Promise<Cell> {
  const { contestant, scenario, setup } = options
  const { running } = contestant
  const job = jobOf(scenario, running, options.seconds)
  const [upstreamBefore, storedBefore] = [await setup.upstream.count(), (await running.log?.stored()) ?? 0]
  // Connections, buffers and branch predictors of this very load; counted, not measured.
  const warmUp = await setup.load.run({ ...job, seconds: WARM_UP_SECONDS, maxRequests: job.maxRequests && 1 })
  const before = cpuTimes(running)
  const busyBefore = busyUsOf(setup.placement.candidate)
  const result = await setup.load.run(job)
  const busyUs = busyUsOf(setup.placement.candidate) - busyBefore
  const ownUs = cpuUsBetween(before, cpuTimes(running))
  const residentBytes = running.pid === null ? null : residentBytesOf(running.pid)
  const sent = warmUp.sent + result.sent
  // A backlog has been paid for when the time is taken.
  const hasCaughtUp = await inTime(running.log?.catchUp(storedBefore + sent))
  const after = cpuTimes(running)
  const isSettled = (await inTime(running.log?.settle(storedBefore + sent))) && hasCaughtUp
  return {
    scenario: scenario.name,
    candidate: contestant.candidate.name,
    round: options.round,
    requests: result.sent,
    seconds: result.seconds,
    requestsPerSecond: result.completed / result.seconds,
    megabytesPerSecond: (result.completed * scenario.payloadBytes) / 1e6 / result.seconds,
    ...figures(before, after, result),
    latencyMs: result.latencyMs,
    residentBytes,
    generatorUs: result.cpuUsPerRequest,
    foreignShare: Number.isNaN(busyUs) ? null : (busyUs - ownUs) / (result.seconds * 1e6),
    accounts: {
      sent,
      answered: warmUp.completed + result.completed,
      refused: warmUp.refused + result.refused,
      upstream: (await setup.upstream.count()) - upstreamBefore,
      stored: running.log === null ? null : (await running.log.stored()) - storedBefore,
      isSettled,
    },
  }
}

/** False instead of a rejection: the counts will say what is missing. */
async function inTime(waited: Promise<void> | undefined): Promise<boolean> {
  try {
    await waited
    return true
  } catch {
    return false
  }
}

function jobOf(scenario: Scenario, { port, keys }: Running, seconds: number): Job {
  const { path, bodyBytes, isNewConnections, connections, rate, maxRequests } = scenario
  const presented = keys.length === 0 ? [undefined] : keys.slice(0, scenario.tenants ?? 1)
  const heads = presented.map((key) => requestHead({ path, key, bodyBytes, isClosing: isNewConnections }))
  return { port, connections, seconds, rate, maxRequests, heads, bodyBytes, isNewConnections }
}

interface CpuTimes {
  readonly candidate: CpuUs | null
  readonly postgres: CpuUs | null
}

function cpuTimes({ pid, log }: Running): CpuTimes {
  const databasePid = log?.databasePid ?? null
  return {
    candidate: pid === null ? null : cpuOf(pid),
    postgres: databasePid === null ? null : cpuOf(databasePid),
  }
}

function cpuUsBetween({ candidate: from }: CpuTimes, { candidate: to }: CpuTimes): number {
  return from === null || to === null ? 0 : to.user + to.system - from.user - from.system
}

function figures(before: CpuTimes, after: CpuTimes, { sent }: JobResult): Pick<Cell, 'cpuUs' | 'postgresUs'> {
  const used = (from: CpuUs | null, to: CpuUs | null): Cell['cpuUs'] => {
    if (from === null || to === null) return null
    const user = (to.user - from.user) / sent
    const system = (to.system - from.system) / sent
    return { user, system, total: user + system }
  }
  return {
    cpuUs: used(before.candidate, after.candidate),
    postgresUs: used(before.postgres, after.postgres)?.total ?? null,
  }
}

/** Why a cell does not count: every request is answered with 200, seen once by the upstream and, with a log, stored once. */
export function problemsOf({ accounts }: Cell): string[] {
  const { sent, answered, refused, upstream, stored, isSettled } = accounts
  const problems: string[] = []
  if (answered !== sent) problems.push(`${answered} of ${sent} requests answered`)
  if (refused > 0) problems.push(`${refused} answers other than 200`)
  if (upstream !== sent) problems.push(`the upstream saw ${upstream} of ${sent} requests`)
  if (stored !== null && stored !== sent) problems.push(`the log has ${stored} entries of ${sent} requests`)
  if (!isSettled) problems.push('entries were still on their way at the end')
  return problems
}
