import type { Candidate, Running } from './candidate.ts'
import { Load, requestHead } from './load.ts'
import type { Job, JobResult } from './load/job.ts'
import { cpuOf, residentBytesOf, type CpuUs } from './process.ts'
import type { Cell } from './result.ts'
import type { Scenario } from './scenarios.ts'
import type { Upstream } from './upstream.ts'

const WARM_UP_SECONDS = 0.5

/** A candidate that runs, and what it has been sent since its start. */
export interface Contestant {
  readonly candidate: Candidate
  readonly running: Running
  sent: number
}

/** Measures one cell. Rejects when the counts of load generator, upstream and log do not agree: then it does not count. */
export async function measure(options: {
  readonly contestant: Contestant
  readonly scenario: Scenario
  readonly round: number
  readonly seconds: number
  readonly load: Load
  readonly upstream: Upstream
}): Promise<Cell> {
  const { contestant, scenario, load, upstream } = options
  const { running } = contestant
  const job = jobOf(scenario, running, options.seconds)
  const upstreamBefore = await upstream.count()
  const warmUp = await load.run({ ...job, seconds: Math.min(WARM_UP_SECONDS, options.seconds), maxRequests: job.maxRequests && 1 })
  contestant.sent += warmUp.sent
  const databasePid = running.log?.databasePid ?? null
  const before = cpuTimes(running.pid, databasePid)
  const result = await load.run(job)
  contestant.sent += result.sent
  const residentBytes = running.pid === null ? null : residentBytesOf(running.pid)
  // What is still on its way into the database has been paid for when the time is taken.
  await running.log?.settle(contestant.sent)
  const after = cpuTimes(running.pid, databasePid)
  const accounts = {
    sent: contestant.sent,
    answered: warmUp.completed + result.completed,
    refused: warmUp.refused + result.refused,
    broken: warmUp.broken + result.broken,
    upstream: (await upstream.count()) - upstreamBefore,
    stored: (await running.log?.stored()) ?? null,
  }
  const cell: Cell = {
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
    accounts,
  }
  check(cell, warmUp.sent + result.sent)
  return cell
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

function cpuTimes(pid: number | null, databasePid: number | null): CpuTimes {
  return { candidate: pid === null ? null : cpuOf(pid), postgres: databasePid === null ? null : cpuOf(databasePid) }
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

/** Every request answered with 200, seen once by the upstream and, where there is a log, stored once. */
function check({ candidate, scenario, accounts }: Cell, sent: number): void {
  const problems: string[] = []
  const same = (what: string, is: number, wanted: number): void => {
    if (is !== wanted) problems.push(`${what} ${is}, sent ${wanted}`)
  }
  same('answered', accounts.answered, sent)
  same('seen by the upstream', accounts.upstream, sent)
  if (accounts.stored !== null) same('entries since the start', accounts.stored, accounts.sent)
  if (accounts.refused > 0) problems.push(`${accounts.refused} answers other than 200`)
  if (problems.length > 0) throw new Error(`${candidate}, ${scenario}: ${problems.join('; ')}`)
}
