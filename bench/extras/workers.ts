import { Gateway } from '../harness/gateway.ts'
import { insertKeys } from '../harness/keys.ts'
import { closedJob, requestHead } from '../harness/load.ts'
import type { Job } from '../load-generator/job.ts'
import { cpuOf, pin, residentBytesOf } from '../harness/process.ts'
import { untilTrue, wait } from '../harness/wait.ts'
import type { Extra, ExtraContext } from './extra.ts'
import { figureRecorder, type RecordFigure } from './figure-recorder.ts'
import { growthTable, MEASURED } from './growth.ts'
import { median } from '../report/median.ts'

/** A worker compiles its hot path after as many requests as a single process, and gets a share of them. */
const WARM_UP_REQUESTS = 100_000
const MIB = 1024 * 1024
const RATE = { perSecond: 1_000_000, burst: 1_000_000 }

/** Each request on a connection of its own, or all on connections that are kept. */
const KINDS = [
  { kind: 'kept connections', isNew: false },
  { kind: 'new connections', isNew: true },
] as const

interface Party {
  readonly workers: number
  readonly gateway: Gateway
  readonly key: string
}

/**
 * One process beside a worker for each core. A machine that load, upstream and PostgreSQL keep busy as well gives no number of
 * requests/s that is the gateway's: what it can do is cores ÷ CPU per request, and no more than its busiest worker. So
 * both sides work on the same one core, in turn, and their CPU per request is compared. Processes that take turns on one core
 * push each other's data out of its caches, which they would not do on cores of their own: the ratio is a lower bound.
 */
export const workers: Extra = {
  name: 'workers',
  what: 'CPU per request of one process and of a worker per core, all on one core; requests/s of both on all cores',
  run: async (context) => {
    if (!context.contestants.some(({ candidate }) => candidate.name === 'waybill')) return []
    const { record, figures } = figureRecorder('workers', { tell: context.tell, digits: 2 })
    const parties = [
      await enter(context, 1),
      await enter(context, Math.max(2, context.setup.placement.cores)),
    ]
    try {
      const { rounds } = context
      for (const { kind, isNew } of KINDS) {
        for (let i = 0; i < rounds; i++)
          await onOneCore(context, parties, { kind, isNew, isFlipped: i % 2 > 0 }, record)
      }
      for (const { gateway, workers } of parties) {
        record(`RSS, ${nameOf(workers)}`, 'MiB', residentBytesOf(gateway.process.pid) / MIB)
        pin(gateway.process.pid, context.setup.placement.all)
      }
      for (let i = 0; i < rounds; i++) await onAllCores(context, parties, i % 2 > 0, record)
    } finally {
      for (const { gateway } of parties) await gateway.process.stop()
    }
    const perRequest = figures.get(`CPU per request, kept connections, ${nameOf(1)}`)
    const perRequestUs = median(perRequest?.values ?? [])
    context.tell(`computed from it, see docs/scaling.md:\n${growthTable({ ...MEASURED, perRequestUs })}`)
    return [...figures.values()]
  },
}

async function enter({ setup }: ExtraContext, count: number): Promise<Party> {
  const surroundings = await setup.surroundings(`workers-${count}`)
  const { folder, placement, upstreamPort } = surroundings
  const database = await surroundings.newDatabase(`workers_${count}`)
  Gateway.migrate(database, folder)
  const [key = ''] = await insertKeys(database, 1, true)
  const gateway = await Gateway.start({
    cpus: placement.candidate,
    folder,
    upstreamPort,
    database,
    route: { rateLimit: RATE },
    config: { workers: count },
  })
  const party = { workers: count, gateway, key }
  const limits = { seconds: 60, maxRequests: WARM_UP_REQUESTS * count }
  await setup.load.run(closedJob({ port: gateway.port, key }, limits))
  return party
}

async function onOneCore(
  { setup, seconds, fail }: ExtraContext,
  parties: readonly Party[],
  { kind, isNew, isFlipped }: { kind: string; isNew: boolean; isFlipped: boolean },
  record: RecordFigure,
): Promise<void> {
  const seen = new Map<Party, { cpuUs: number; imbalance: number }>()
  for (const party of isFlipped ? parties.toReversed() : parties) {
    const { pid } = party.gateway.process
    const [before, had] = [cpuOf(pid), await requestsOf(party)]
    const { sent, completed, refused } = await setup.load.run(jobOf(party, seconds, isNew))
    if (completed !== sent || refused > 0)
      fail(`workers: ${sent} sent, ${completed} answered, ${refused} refused`)
    // The rest of the entries is on its way: what it costs is theirs.
    await untilTrue(
      'all requests are counted',
      async () => sum(await requestsOf(party)) >= sum(had) + completed,
    )
    await wait(300)
    const after = cpuOf(pid)
    const done = (await requestsOf(party)).map((requests, i) => requests - (had[i] ?? 0))
    const cpuUs = (after.user + after.system - before.user - before.system) / completed
    seen.set(party, { cpuUs, imbalance: (Math.max(...done) * done.length) / sum(done) })
    record(`CPU per request, ${kind}, ${nameOf(party.workers)}`, 'µs', cpuUs)
  }
  const [one, many] = parties.map((party) => seen.get(party))
  const count = parties[1]?.workers ?? 1
  if (one === undefined || many === undefined) return
  record(`busiest worker ÷ even share, ${kind}`, '', many.imbalance)
  record(`${count} cores ÷ one, ${kind}`, '', (count * one.cpuUs) / (many.cpuUs * many.imbalance))
}

/** Everybody on every core: on a small machine it is load, upstream and PostgreSQL that take most of them. */
async function onAllCores(
  { setup, seconds }: ExtraContext,
  parties: readonly Party[],
  isFlipped: boolean,
  record: RecordFigure,
): Promise<void> {
  for (const party of isFlipped ? parties.toReversed() : parties) {
    const { completed, seconds: took } = await setup.load.run(jobOf(party, seconds, false))
    record(`requests/s on all cores, ${nameOf(party.workers)}`, '1/s', completed / took)
  }
}

function jobOf({ gateway, key }: Party, seconds: number, isNew: boolean): Job {
  const job = closedJob({ port: gateway.port, key }, { seconds })
  return isNew
    ? { ...job, isNewConnections: true, heads: [requestHead({ path: '/1k', key, isClosing: true })] }
    : job
}

/** Requests that each worker has counted, or the only process. */
async function requestsOf({ gateway }: Party): Promise<readonly number[]> {
  const { workers: lines, requests } = await gateway.overview()
  return lines === undefined ? [requests.total] : lines.map((line) => line.requests ?? 0)
}

function nameOf(count: number): string {
  return count === 1 ? 'one process' : `${count} workers`
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
