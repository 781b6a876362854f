import type { DatabaseContact } from '../lib/database-contact.ts'
import type { LogLines } from '../lib/log-lines.ts'
import { type Clock, steppingClock, systemClock } from '../lib/time/clock.ts'
import type { EntrySource } from '../channel/channel.ts'
import type { Ledger } from '../channel/ledger.ts'
import type { Identify } from './batch/batch-builder.ts'
import type { BatchStore } from './batch/batch.ts'
import { BatchRepair } from './batch-repair.ts'
import { Collector } from './collector.ts'
import { DatabaseTurns, type Sender } from './database/database-turns.ts'
import { Delivery } from './delivery.ts'
import { OwnLives } from './own-lives.ts'
import { Sealer } from './sealer.ts'
import { Replayer } from './spill/replayer.ts'
import type { Spill } from './spill/spill.ts'
import { DropLog } from './watch/drop-log.ts'
import { LoopFaults } from './watch/loop-faults.ts'
import { WriterCounters } from './writer-stats.ts'
import { WriterLog } from './writer-log.ts'

export interface WriterOptions {
  /** A batch is begun as soon as this many entries wait … */
  readonly flushEntries: number
  /** … or the oldest has waited this long. */
  readonly flushIntervalMs: number
  readonly maxBatchEntries: number
  readonly maxBatchBytes: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
  /** With a spill: how long a batch, or a half full channel, waits for the database. 1000 when not given. */
  readonly spillAfterMs?: number
  /** With a spill: every batch is on disk before its COPY, at most 10 ms after its entries were accepted. */
  readonly isJournal?: boolean
}

export interface WriterParts {
  readonly channel: EntrySource
  readonly ledger: Ledger
  readonly store: BatchStore
  /** Makes the partitions of these UTC days, `YYYY-MM-DD`, where they are missing. */
  readonly ensurePartitions: (days: readonly string[]) => Promise<void>
  /** Where batches go while the database is away; the writer starts and closes it. Without, they wait in the channel. */
  readonly spill?: Spill | null
  /** Is told that the database answered. */
  readonly contact?: DatabaseContact
  /** Called for each entry before it is encoded; a matter of another room. */
  readonly identify?: Identify
  /** UUID of this process life. */
  readonly instance: string
  readonly options: WriterOptions
  readonly logger: LogLines
  readonly clock?: Clock
  /** [0, 1), for the jitter of the back-off. */
  readonly random?: () => number
}

/** What a writer is made of. */
export interface WriterPieces {
  readonly source: EntrySource
  readonly ledger: Ledger
  readonly spill: Spill | null
  /** Its waits are steps of the live loop. */
  readonly clock: Clock
  readonly log: WriterLog
  readonly dropLog: DropLog
  readonly counters: WriterCounters
  /** Of each loop, with its steps: what a watchdog judges. */
  readonly faults: Readonly<Record<Sender, LoopFaults>>
  readonly collector: Collector
  readonly sealer: Sealer
  readonly lives: OwnLives
  readonly database: DatabaseTurns
  /** null without a spill. */
  readonly replayer: Replayer | null
  readonly delivery: Delivery
}

/** A journal's batch is begun this long after its first entry at the latest; encoding and writing take their time too. */
const JOURNAL_INTERVAL_MS = 3
const JOURNAL_ENTRIES = 512

const SPILL_AFTER_MS = 1000

/** Puts the pieces of a writer together, in the order in which an entry passes them. Starts nothing. */
export function assemble(parts: WriterParts): WriterPieces {
  const { channel: source, ledger, instance, logger, spill = null } = parts
  const time = parts.clock ?? systemClock
  const isJournal = spill !== null && parts.options.isJournal === true
  const options = { ...parts.options, spillAfterMs: parts.options.spillAfterMs ?? SPILL_AFTER_MS, isJournal }
  const steps: Record<Sender, number> = { live: 0, replay: 0 }
  const onStep = (sender: Sender): void => void steps[sender]++
  const faults = { live: new LoopFaults(() => steps.live), replay: new LoopFaults(() => steps.replay) }
  const clock = steppingClock(time, () => onStep('live'))
  const counters = new WriterCounters()
  const log = new WriterLog(logger, clock)
  const cause = () => ({ database: counters.lastErrorCode, disk: spill?.stats.lastErrorCode ?? null })
  const dropLog = new DropLog({ ledger, clock: time, logger, cause })

  const database = new DatabaseTurns(parts.store, onStep, () => parts.contact?.heard())
  const shared = { database, ledger, counters, log, clock, random: parts.random ?? Math.random }
  const repairParts = { ...shared, ensurePartitions: parts.ensurePartitions }
  const repair = new BatchRepair(repairParts)
  const flushing = isJournal
    ? { flushEntries: JOURNAL_ENTRIES, flushIntervalMs: JOURNAL_INTERVAL_MS }
    : options
  const collector = new Collector({ source, ledger, clock, options: flushing })
  const { identify = () => {} } = parts
  const sealing = { source, collector, ledger, repair, counters, clock, instance, identify, options }
  const sealer = new Sealer(sealing)
  const lives = new OwnLives({ sealer, counters, log })
  const replayer =
    spill === null
      ? null
      : new Replayer({
          ...shared,
          clock: steppingClock(time, () => onStep('replay')),
          spill,
          repair: new BatchRepair({ ...repairParts, isReplay: true }),
          options: { ...options, journal: isJournal ? options : null },
          backlog: collector,
          lives,
          faults: faults.replay,
        })
  const delivery = new Delivery({
    ...shared,
    spill,
    repair,
    replay: replayer,
    backlog: collector,
    lives,
    options,
  })
  const entries = { source, ledger, collector, sealer, lives, delivery }
  return { ...entries, spill, replayer, database, clock, log, dropLog, counters, faults }
}
