import { hostname } from 'node:os'
import { join } from 'node:path'
import { EntryIdentifier } from '../../artifacts/identify/entry-identifier.ts'
import { Canary } from '../../writer/watch/canary.ts'
import { Channel } from '../../channel/channel.ts'
import { systemClock } from '../../lib/time/clock.ts'
import type { DatabaseClock } from '../../lib/time/database-clock.ts'
import { Ledger } from '../../channel/ledger.ts'
import { LifeMemory } from '../../writer/life-memory.ts'
import { type Identify, SLICE_ENTRIES } from '../../writer/batch/batch-builder.ts'
import type { BatchStore } from '../../writer/batch/batch.ts'
import { RememberingStore } from '../../writer/database/remembering-store.ts'
import { TimedStore } from '../../writer/database/timed-store.ts'
import { Spill } from '../../writer/spill/spill.ts'
import { Watchdog } from '../../writer/watch/watchdog.ts'
import type { WriterOptions } from '../../writer/assembly.ts'
import { type DrainResult, Writer } from '../../writer/writer.ts'
import type { StateReason } from '../../admin/handlers.ts'
import type { Options } from '../../config/options.ts'
import type { DatabaseContact } from '../../lib/database-contact.ts'
import { machineName, processStart } from '../../lib/host/machine.ts'
import { PromisedBound } from '../../lib/promised-bound.ts'
import type { Logger } from '../../logger/logger.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import type { VitalsStats } from '../../model/stats.ts'
import { ensurePartitionFor } from '../../store/entries/partitions.ts'
import type { Sql } from '../../store/sql.ts'
import type { Traces } from '../../traces/traces.ts'
import { packageVersion } from '../../version.ts'
import { Durability } from './durability.ts'
import { InstanceRecord, type ToldLife } from './instance-record.ts'
import { asideReportOf } from './aside-report.ts'
import { LazyStore } from './lazy-store.ts'
import { LifeReports } from './life-reports.ts'
import { logWarningsOf } from './readiness.ts'
import type { Traffic } from './traffic.ts'

/** With a journal an entry is on disk after this long at most: the promise of `accessLog.journal`. */
const JOURNAL_MS = 10

/** Least that is promised of the memory: half of it may come while the database confirms more. */
const MIN_PROMISED_ENTRIES = 512
const MIN_PROMISED_REQUESTS = 64

/** Collaborators and settings of an access log. */
interface AccessLogParts {
  readonly instance: string
  readonly target: DatabaseTarget
  readonly control: Sql
  readonly options: Options
  /** Where this process keeps its state. */
  readonly folder: string
  readonly contact: DatabaseContact
  /** What entries' times go by. */
  readonly clock: DatabaseClock
  readonly logger: Logger
  /** A dead process' spill was taken over: see `Spill`. */
  readonly onDead: (instance: string, isUnheard: boolean) => boolean
  readonly traffic: Traffic
  /** null makes no spans. */
  readonly traces: Traces | null
}

/** The background: channel, ledger, writer, spill, and this process' row in `instances`. */
export class AccessLog {
  readonly ledger = new Ledger()
  readonly channel: Channel
  readonly writer: Writer
  readonly #store: LazyStore
  readonly #record: InstanceRecord
  readonly #lives: LifeReports
  readonly #durability: Durability
  readonly #canary: Canary | null
  readonly #watchdog: Watchdog | null

  constructor(parts: AccessLogParts) {
    const { instance, control, options: o, folder, logger } = parts
    const { ledger } = this
    const channel = new Channel({
      capacityEntries: o['accessLog.capacityEntries'],
      capacityBytes: o['accessLog.capacityBytes'],
      ledger,
    })
    const spill = openSpill(parts)
    const durability = (this.#durability = new Durability(logger))
    this.#store = new LazyStore(async () => {
      const { CopyConnection } = await import('../../writer/database/copy.ts')
      const options = { copyTimeoutMs: o['accessLog.copyTimeoutMs'] }
      return new CopyConnection(parts.target, options, (found) => durability.found(found))
    })
    const memory = new LifeMemory({ directory: join(folder, 'lives'), writer: instance, host: hostname() })
    this.channel = channel
    const identifier = new EntryIdentifier()
    channel.blockedWhen(() => this.writer.isBlocked)
    this.writer = new Writer({
      channel,
      ledger,
      store: timedFor(
        parts,
        new RememberingStore(this.#store, (batch) => memory.acknowledge(batch)),
        () => this.writer.life.instance,
      ),
      ensurePartitions: (days) => ensurePartitionFor(control, days),
      spill,
      contact: parts.contact,
      identify: identifyFor(parts.traces, (entry) => identifier.identify(entry)),
      instance,
      options: writerOptions(o),
      logger,
    })
    const { 'accessLog.canaryIntervalMs': intervalMs } = o
    this.#canary =
      intervalMs === 0 ? null : new Canary({ sink: channel, ledger, intervalMs, clock: systemClock })
    this.#watchdog = watchdogOf(this.writer, o, logger)
    this.#record = this.#makeRecord(parts, spill)
    this.#lives = new LifeReports({
      sql: control,
      memory,
      instance: () => this.writer.life.instance,
      logger,
    })
  }

  /** What the database is told of this process: that it lives, and the bounds of its promises. */
  #makeRecord(parts: AccessLogParts, spill: Spill | null): InstanceRecord {
    const { control, options: o, logger, traffic } = parts
    const { channel, ledger } = this
    const onRaise = (): void => this.#record.raise()
    const unsettled = new PromisedBound(ledger.unsettledEntries, {
      floor: Math.max(MIN_PROMISED_ENTRIES, 4 * o['accessLog.flushEntries']),
      onRaise,
    })
    const inFlight = new PromisedBound(traffic.inFlight, { floor: MIN_PROMISED_REQUESTS, onRaise })
    return new InstanceRecord({
      sql: control,
      notes: () => ({
        underWay: traffic.underWay(),
        aside: spill === null ? null : asideReportOf(spill.stats.aside),
        weaknesses: this.#durability.weaknesses,
      }),
      traces: spill,
      onBeat: () => {
        unsettled.beat()
        inFlight.beat()
      },
      identity: {
        version: packageVersion(),
        // In the channel, in hand, and taken ahead.
        capacityEntries: o['accessLog.capacityEntries'] + o['accessLog.maxBatchEntries'] + SLICE_ENTRIES,
        journalMs: o['accessLog.journal'] ? JOURNAL_MS : null,
        process: {
          id: process.pid,
          started: processStart(process.pid),
          machine: machineName(),
          spillFolder: spillFolderOf(parts),
        },
      },
      figures: () => {
        const { instance: id, baseSeq } = this.writer.life
        return {
          id,
          acceptedSeq: channel.lastSeq - baseSeq,
          spilledEntries: ledger.totals.spilled,
          // Without a disk nothing would be left of a promise that the database has not heard.
          memoryEntries: spill === null ? null : unsettled.most,
          inFlightMost: spill === null ? null : inFlight.most,
          inFlight: traffic.inFlight.value(),
        }
      },
      logger,
    })
  }

  /** Begins to store, to replay what dead processes left, and to tell that this one lives. Waits for nothing. */
  start(): void {
    this.writer.start()
    this.#record.start()
    this.#lives.start()
    this.#canary?.start()
    this.#watchdog?.start()
  }

  /** Names who is told, at once, of the process life that is written, and of what it promises. */
  onLife(listener: (life: ToldLife) => void): void {
    this.#record.onLife = listener
  }

  /** Loads what a start has left for later; the first batch does, too. */
  load(): void {
    this.#store.open()
  }

  /** Whether the access log works, as it finds itself. */
  get vitals(): Pick<VitalsStats, 'canary' | 'stuckLoops'> {
    const stuckLoops = this.#watchdog?.stuck.map(({ name }) => name) ?? []
    return { canary: this.#canary?.stats ?? null, stuckLoops }
  }

  /** Whether the process is worth keeping, and why not. */
  get health(): { readonly healthy: boolean; readonly reasons: readonly StateReason[] } {
    const reasons = (this.#watchdog?.stuck ?? []).map(({ name, stuckMs }) => ({
      code: `${name}_stuck`,
      detail: `the access log's ${name} has taken no step for ${Math.round(stuckMs / 1000)} s although entries wait for it`,
    }))
    return { healthy: reasons.length === 0, reasons }
  }

  /** What an operator should look at, though all is served. */
  get warnings(): readonly StateReason[] {
    return [...logWarningsOf(this.writer.stats), ...this.#lives.warnings, ...this.#durability.warnings]
  }

  /** Stores what is left, spills what cannot be stored by the deadline, and writes the end of the instance. */
  async drain(deadlineMs: number): Promise<DrainResult> {
    this.#canary?.stop()
    this.#watchdog?.stop()
    const result = await this.writer.drain(deadlineMs)
    await Promise.all([this.#record.stop(), this.#lives.stop()])
    return result
  }
}

/** Spans name the package, so they are made once it is known. */
function identifyFor(traces: Traces | null, identify: Identify): Identify {
  if (traces === null) return identify
  return (entry) => {
    identify(entry)
    traces.note(entry)
  }
}

/** By the clock of the entries: one trace viewer shows both. */
function timedFor({ traces, clock }: AccessLogParts, store: BatchStore, life: () => string): BatchStore {
  if (traces === null) return store
  const nowMs = (): number => clock.nowMs()
  return new TimedStore(store, nowMs, (batch, startMs, endMs) =>
    traces.stored(batch, { life: life(), startMs, endMs }),
  )
}

function spillFolderOf({ options, folder }: AccessLogParts): string | null {
  return options['spill.maxBytes'] === 0 ? null : join(folder, 'spill')
}

function openSpill(parts: AccessLogParts): Spill | null {
  const { options: o, instance, logger, onDead } = parts
  const directory = spillFolderOf(parts)
  if (directory === null) return null
  return new Spill({
    directory,
    onDead,
    instance,
    maxBytes: o['spill.maxBytes'],
    syncIntervalMs: o['spill.syncIntervalMs'],
    timeoutMs: o['spill.timeoutMs'],
    logger,
  })
}

function writerOptions(o: Options): WriterOptions {
  return {
    flushEntries: o['accessLog.flushEntries'],
    flushIntervalMs: o['accessLog.flushIntervalMs'],
    maxBatchEntries: o['accessLog.maxBatchEntries'],
    maxBatchBytes: o['accessLog.maxBatchBytes'],
    backoffMinMs: o['accessLog.backoffMinMs'],
    backoffMaxMs: o['accessLog.backoffMaxMs'],
    spillAfterMs: o['accessLog.spillAfterMs'],
    isJournal: o['accessLog.journal'],
  }
}

/** Null when the option turns it off. */
function watchdogOf(writer: Writer, o: Options, logger: Logger): Watchdog | null {
  if (o['accessLog.stuckAfterMs'] === 0) return null
  // A wait that the options permit is no reason to restart.
  const longestWaitMs = Math.max(
    o['accessLog.copyTimeoutMs'],
    o['accessLog.backoffMaxMs'],
    o['accessLog.flushIntervalMs'],
  )
  const stuckAfterMs = Math.max(o['accessLog.stuckAfterMs'], 2 * longestWaitMs)
  const onChange = (stuck: readonly object[]): void => {
    if (stuck.length > 0)
      logger.error({ stuck }, 'the access log is stuck; only a restart of the gateway helps')
    else logger.warn({}, 'the access log goes on')
  }
  return new Watchdog({ loops: writer.loops, stuckAfterMs, clock: systemClock, onChange })
}
