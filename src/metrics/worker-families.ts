import type { FamilySamples, Sample } from './family.ts'

/** What the primary knows of one worker. */
export interface WorkerReading {
  /** Slot; two while a predecessor is leaving. */
  readonly worker: number
  readonly state: 'starting' | 'serving' | 'leaving' | 'ended'
  readonly isReady: boolean
  readonly connections: number
}

/** What the primary tells of itself and its workers. */
export interface PrimaryReading {
  readonly workers: readonly WorkerReading[]
  /** Connections accepted, by slot. */
  readonly taken: ReadonlyMap<number, number>
  readonly restarts: number
}

/** The primary's own families; a gateway of one process has none of them. */
export function workerFamilies({ workers, taken, restarts }: PrimaryReading): FamilySamples[] {
  const states = {
    starting: workers.filter(({ state }) => state === 'starting').length,
    ready: workers.filter(({ state, isReady }) => state === 'serving' && isReady).length,
    not_ready: workers.filter(({ state, isReady }) => state === 'serving' && !isReady).length,
    leaving: workers.filter(({ state }) => state === 'leaving').length,
  }
  const connections = new Map([...taken.keys()].map((worker) => [worker, 0]))
  for (const { worker, connections: open } of workers)
    connections.set(worker, (connections.get(worker) ?? 0) + open)
  return [
    {
      type: 'gauge',
      name: 'waybill_workers',
      help: 'Worker processes by state',
      values: Object.entries(states).map(([state, value]) => ({ value, labels: { state } })),
      merge: 'sum',
    },
    {
      type: 'counter',
      name: 'waybill_workers_restarts_total',
      help: 'Workers started again after one had died',
      values: [{ value: restarts, labels: {} }],
      merge: 'sum',
    },
    {
      type: 'counter',
      name: 'waybill_workers_connections_taken_total',
      help: 'Client connections that workers accepted',
      values: byWorker(taken),
      merge: 'sum',
    },
    {
      type: 'gauge',
      name: 'waybill_workers_connections',
      help: 'Client connections open in workers',
      values: byWorker(connections),
      merge: 'sum',
    },
  ]
}

function byWorker(counts: ReadonlyMap<number, number>): Sample[] {
  return [...counts].map(([worker, value]) => ({ value, labels: { worker: String(worker) } }))
}
