import { closedJob } from '../harness/load.ts'
import type { JobResult } from '../load-generator/job.ts'
import { treeOf } from '../harness/process.ts'
import type { Contestant } from '../harness/setup.ts'
import type { Figure } from '../harness/result.ts'
import type { Extra, ExtraContext } from './extra.ts'

const SHARE_OF_CAPACITY = 0.7
const CAPACITY_SECONDS = 2
/** Longer than three times `accessLog.spillAfterMs`: the gateway has noticed, and spills. */
const LEAST_SECONDS = 6

const STATES = ['healthy', 'frozen'] as const

/**
 * Latency at 70 % of what the gateway can do, PostgreSQL healthy and frozen (SIGSTOP) in turn. The capacity is measured anew in
 * each round, just before.
 */
export const outage: Extra = {
  name: 'outage',
  what: 'p99 of everything on at 70 % load, PostgreSQL frozen against healthy',
  run: async (context) => {
    const contestant = context.contestants.find(({ candidate }) => candidate.name === 'waybill')
    const { databasePid } = context.setup
    if (contestant === undefined || databasePid === null) return []
    const values = new Map<string, number[]>()
    const note = (name: string, value: number): void => {
      values.set(name, [...(values.get(name) ?? []), value])
    }
    for (let round = 1; round <= context.rounds; round++) {
      await oneRound(context, { ...contestant, databasePid, round, note })
    }
    return [...values].map(([name, each]): Figure => {
      const unit = name.includes('÷') ? '' : name.startsWith('rate') ? 'requests/s' : 'ms'
      return { scenario: 'outage', candidate: 'waybill', name, unit, values: each }
    })
  },
}

async function oneRound(
  { setup, seconds, tell, fail }: ExtraContext,
  turn: Contestant & {
    readonly databasePid: number
    readonly round: number
    readonly note: (name: string, value: number) => void
  },
): Promise<void> {
  const { running, databasePid, round, note } = turn
  const job = closedJob({ port: running.port, key: running.keys[0] }, { seconds: CAPACITY_SECONDS })
  const storedBefore = (await running.log?.stored()) ?? 0
  const capacity = await setup.load.run(job)
  const rate = Math.floor((capacity.completed / capacity.seconds) * SHARE_OF_CAPACITY)
  note('rate', rate)
  let sent = capacity.sent
  const results = new Map<string, JobResult>()
  // In turn the first, so that neither always follows the other.
  for (const state of round % 2 === 1 ? STATES : STATES.toReversed()) {
    const open = { ...job, rate, seconds: Math.max(LEAST_SECONDS, seconds) }
    const result = await (state === 'frozen'
      ? whileFrozen(databasePid, () => setup.load.run(open))
      : setup.load.run(open))
    results.set(state, result)
    sent += result.sent
    note(`p50 ${state}`, result.latencyMs.p50)
    note(`p99 ${state}`, result.latencyMs.p99)
    tell(
      `${state}: ${rate} requests/s, p50 ${result.latencyMs.p50.toFixed(2)} ms, p99 ${result.latencyMs.p99.toFixed(2)} ms`,
    )
    // What an outage leaves behind shall not burden the next.
    await running.log?.settle(storedBefore + sent).catch(() => {})
    if (result.completed !== result.sent)
      fail(`outage, ${state}: ${result.completed} of ${result.sent} answered`)
  }
  const [healthy, frozen] = STATES.map((state) => results.get(state)?.latencyMs.p99 ?? Number.NaN)
  note('p99 frozen ÷ healthy', (frozen ?? Number.NaN) / (healthy ?? Number.NaN))
  const stored = ((await running.log?.stored()) ?? 0) - storedBefore
  if (stored !== sent) fail(`outage: the log has ${stored} entries of ${sent} requests`)
}

/** All processes of the server, the postmaster first so that it starts no others; woken in any case. */
async function whileFrozen<T>(databasePid: number, use: () => Promise<T>): Promise<T> {
  const signal = (name: NodeJS.Signals): void => {
    for (const pid of treeOf(databasePid)) process.kill(pid, name)
  }
  signal('SIGSTOP')
  try {
    return await use()
  } finally {
    signal('SIGCONT')
  }
}
