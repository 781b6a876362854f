import type { StateReason } from '../../admin/handlers.ts'
import { countedOverview, mergeOverviews } from '../../admin/merge-overviews.ts'
import type { Overview } from '../../admin/overview.ts'
import type { Exposition } from '../../metrics/exposition.ts'
import { formatFor, type ExpositionFormat } from '../../metrics/exposition-format.ts'
import type { ProcessMetrics } from '../../metrics/metrics.ts'
import { auditSamples } from '../../metrics/audit-families.ts'
import { figuresSamples } from '../../metrics/figures-families.ts'
import { eventSamples } from '../../metrics/event-families.ts'
import type { FamilySamples } from '../../metrics/family.ts'
import { countedFamilies, foldTenants, mergeFamilies } from '../../metrics/merge.ts'
import { primarySamples, withoutReadiness } from '../../metrics/process-families.ts'
import { workerFamilies } from '../../metrics/worker-families.ts'
import type { GatewayVitals } from '../../model/stats.ts'
import type { WorkerReport } from './messages.ts'
import type { WorkerEnd, WorkerProcess } from './worker-process.ts'
import type { Workers } from './workers.ts'

/** A worker that does not say how it is within this time hangs. */
const REPORT_TIMEOUT_MS = 1000
const METRICS_TIMEOUT_MS = 3000

export interface WorkersSummaryParts {
  readonly workers: Workers
  readonly state: () => string
  readonly gatewayVitals: () => GatewayVitals
  readonly tenantLabels: number
  /** Log lines that this process lost. */
  readonly droppedLogLines: () => number
  readonly identity: { readonly version: string; readonly instance: string }
}

/**
 * What the admin listener tells of all workers together. Workers are asked anew each time; what those that have gone had
 * counted stays in, as of the last time they were asked: so what a scrape has seen never goes backwards.
 */
export class WorkersSummary {
  readonly #parts: WorkersSummaryParts
  #process: ProcessMetrics | null = null
  readonly #startedTick = performance.now()
  readonly #labelled = new Set<string>()
  readonly #takenByGone = new Map<number, number>()
  #goneFamilies: readonly FamilySamples[] = []
  #goneOverview: Overview | null = null
  readonly #exposing = new Map<ExpositionFormat, Promise<Exposition>>()

  constructor(parts: WorkersSummaryParts) {
    this.#parts = parts
  }

  /** Keeps what a worker that has ended had counted. */
  keep({ worker, taken, report, samples }: WorkerEnd): void {
    this.#takenByGone.set(worker, (this.#takenByGone.get(worker) ?? 0) + taken)
    this.#goneFamilies = mergeFamilies([this.#goneFamilies, countedFamilies(samples)])
    if (report === null) return
    const counted = countedOverview(report.overview)
    const before = this.#goneOverview === null ? [] : [this.#goneOverview]
    this.#goneOverview = countedOverview(mergeOverviews(counted, [...before, counted]))
  }

  /** Well when each worker that serves answers and is well itself. */
  async health(): Promise<{ healthy: boolean; reasons: StateReason[] }> {
    const reports = await this.#reports()
    const reasons = [...reports].flatMap(([worker, report]) => {
      if (report === null && worker.state === 'serving') return [silent(worker)]
      return report === null ? [] : report.health.reasons.map((reason) => ofWorker(worker, reason))
    })
    if (this.#parts.state() === 'ready' && !this.#isServed()) reasons.push(NO_WORKERS)
    return { healthy: reasons.length === 0, reasons }
  }

  /** Ready when at least one worker is: connections go to those that are ready, as long as there are any. */
  async readiness(): Promise<{ ready: boolean; reasons: StateReason[]; warnings?: readonly StateReason[] }> {
    const state = this.#parts.state()
    if (state !== 'ready') {
      return { ready: false, reasons: [{ code: state, detail: `the gateway is ${state}` }] }
    }
    const reports = [...(await this.#reports())].filter(([worker]) => worker.state === 'serving')
    // What is of the machine is the same for all workers: told once.
    const warnings = new Map<string, StateReason>()
    for (const [worker, report] of reports) {
      for (const warning of report?.readiness.warnings ?? []) {
        const isOfLog = warning.code.startsWith('log_')
        warnings.set(
          isOfLog ? `${warning.code} ${warning.detail}` : warning.code,
          isOfLog ? ofWorker(worker, warning) : warning,
        )
      }
    }
    if (reports.some(([, report]) => report?.readiness.ready === true))
      return { ready: true, reasons: [], warnings: [...warnings.values()] }
    const reasons = reports.flatMap(([worker, report]) => {
      if (report === null) return [silent(worker)]
      return report.readiness.reasons.map((reason) => ofWorker(worker, reason))
    })
    return {
      ready: false,
      reasons: reasons.length === 0 ? [NO_WORKERS] : reasons,
      warnings: [...warnings.values()],
    }
  }

  /** The sums, and a line for each worker. */
  async overview(): Promise<Overview> {
    const reports = await this.#reports()
    const overviews = [...reports.values()].flatMap((report) => (report === null ? [] : [report.overview]))
    const gone = this.#goneOverview === null ? [] : [this.#goneOverview]
    const uptimeMs = performance.now() - this.#startedTick
    const merged = mergeOverviews({ ...this.#parts.identity, uptimeMs }, [...gone, ...overviews])
    const workers = [...reports].map(([process, report]) => ({
      worker: process.worker,
      pid: process.pid,
      instance: process.instance,
      state: process.state,
      isReady: process.isReady,
      connections: process.connections,
      requests: report?.overview.requests.total ?? null,
      database: report?.overview.database.state ?? null,
    }))
    return { ...merged, workers }
  }

  /** A scrape, in the format for who sends this field Accept; while one is under way, whoever asks gets that one. */
  metrics(accept = ''): Promise<Exposition> {
    const format = formatFor(accept)
    const underWay = this.#exposing.get(format)
    if (underWay !== undefined) return underWay
    const exposing = this.#expose(format).finally(() => {
      this.#exposing.delete(format)
    })
    this.#exposing.set(format, exposing)
    return exposing
  }

  /** Entries in the workers' memory when they were asked last. */
  get unstored(): number {
    return this.#parts.workers.live.reduce(
      (n, { report }) => n + (report?.overview.accessLog.buffered ?? 0),
      0,
    )
  }

  /** Whether every worker that serves has this key in its snapshot. */
  async knowsKey(digest: string): Promise<boolean> {
    const reports = [...(await this.#reports(digest))].filter(([worker]) => worker.state === 'serving')
    return reports.length > 0 && reports.every(([, report]) => report?.knowsKey === true)
  }

  async #expose(format: ExpositionFormat): Promise<Exposition> {
    const { workers, tenantLabels, gatewayVitals } = this.#parts
    const { audit, figures, events } = gatewayVitals()
    // Loaded at the first scrape, as in the workers.
    const [{ ProcessMetrics }, { exposeFamilies }] = await Promise.all([
      import('../../metrics/metrics.ts'),
      import('../../metrics/exposition.ts'),
    ])
    this.#process ??= new ProcessMetrics()
    const { live, restarts } = workers
    const [{ ready }, ...told] = await Promise.all([
      this.readiness(),
      ...live.map((worker) => worker.metrics(METRICS_TIMEOUT_MS)),
    ])
    const taken = new Map(Array.from({ length: workers.count }, (_, i) => [i + 1, 0]))
    for (const [worker, count] of this.#takenByGone) taken.set(worker, count)
    for (const worker of live) taken.set(worker.worker, (taken.get(worker.worker) ?? 0) + worker.taken)
    const own = [
      ...workerFamilies({ workers: live, taken, restarts }),
      ...auditSamples(audit),
      ...figuresSamples(figures),
      ...eventSamples(events),
      ...primarySamples(this.#parts.droppedLogLines(), ready),
    ]
    // One that ended meanwhile is among the gone by now, with what it has just told.
    const present = told.filter((_, i) => live[i]?.state !== 'ended').map(withoutReadiness)
    const merged = mergeFamilies([...present, this.#goneFamilies, await this.#process.samples(), own])
    const folded = foldTenants(merged, (tenant) => this.#hasLabel(tenant, tenantLabels))
    return exposeFamilies(folded, format)
  }

  /** Once given, a label is kept, or a counter would jump. */
  #hasLabel(tenant: string, max: number): boolean {
    if (this.#labelled.has(tenant)) return true
    if (this.#labelled.size >= max) return false
    this.#labelled.add(tenant)
    return true
  }

  async #reports(digest: string | null = null): Promise<ReadonlyMap<WorkerProcess, WorkerReport | null>> {
    const asked = this.#parts.workers.live.filter(({ state }) => state !== 'starting')
    const reports = await Promise.all(asked.map((worker) => worker.ask(digest, REPORT_TIMEOUT_MS)))
    // One that ended meanwhile is among the gone by now.
    const present = asked.map((worker, i) => [worker, reports[i] ?? null] as const)
    return new Map(present.filter(([worker]) => worker.state !== 'ended'))
  }

  #isServed(): boolean {
    return this.#parts.workers.live.some(({ state }) => state === 'serving')
  }
}

const NO_WORKERS: StateReason = { code: 'no_workers', detail: 'no worker process serves' }

function silent({ worker, pid }: WorkerProcess): StateReason {
  return { code: 'worker_silent', detail: `worker ${worker} (process ${pid}) does not answer` }
}

function ofWorker({ worker }: WorkerProcess, { code, detail }: StateReason): StateReason {
  return { code, detail: `worker ${worker}: ${detail}` }
}
