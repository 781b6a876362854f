import { requestHead } from '../load.ts'
import type { Job, JobResult } from '../load/job.ts'
import { treeOf } from '../process.ts'
import type { Contestant } from '../field.ts'
import type { Figure } from '../result.ts'
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
    if (contestant === undefined) return []
    const values = new Map<string, number[]>()
    const note = (name: string, value: number): void => {
      values.set(name, [...(values.get(name) ?? []), value])
    }
    for (let round = 1; round <= context.rounds; round++) await oneRound(context, contestant, round, note)
    return [...values].map(([name, each]): Figure => {
      const unit = name.includes('÷') ? '' : name.startsWith('rate') ? 'requests/s' : 'ms'
      return { scenario: 'outage', candidate: 'waybill', name, unit, values: each }
    })
  },
}

async function oneRound(
  { field, seconds, tell, fail }: ExtraContext,
  { running }: Contestant,
  round: number,
  note: (name: string, value: number) => void,
): Promise<void> {
  const job: Job = {
    port: running.port,
    connections: 64,
    seconds: CAPACITY_SECONDS,
    rate: null,
    maxRequests: null,
    heads: [requestHead({ path: '/1k', key: running.keys[0] })],
    bodyBytes: 0,
    isNewConnections: false,
  }
  const storedBefore = (await running.log?.stored()) ?? 0
  const capacity = await field.load.run(job)
  const rate = Math.floor((capacity.completed / capacity.seconds) * SHARE_OF_CAPACITY)
  note('rate', rate)
  let sent = capacity.sent
  const results = new Map<string, JobResult>()
  // The first of a round is the first of the next one's last, so that neither always follows the other.
  for (const state of round % 2 === 1 ? STATES : STATES.toReversed()) {
    const open = { ...job, rate, seconds: Math.max(LEAST_SECONDS, seconds) }
    const result = await (state === 'frozen'
      ? whileFrozen(field.databasePid, () => field.load.run(open))
      : field.load.run(open))
    results.set(state, result)
    sent += result.sent
    note(`p50 ${state}`, result.latencyMs.p50)
    note(`p99 ${state}`, result.latencyMs.p99)
    tell(
      `${state}: ${rate} requests/s, p50 ${result.latencyMs.p50.toFixed(2)} ms, p99 ${result.latencyMs.p99.toFixed(2)} ms`,
    )
    if (result.completed !== result.sent)
      fail(`outage, ${state}: ${result.completed} of ${result.sent} answered`)
  }
  const [healthy, frozen] = STATES.map((state) => results.get(state)?.latencyMs.p99 ?? Number.NaN)
  note('p99 frozen ÷ healthy', (frozen ?? Number.NaN) / (healthy ?? Number.NaN))
  await running.log?.settle(storedBefore + sent).catch(() => {})
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
