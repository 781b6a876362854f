import { resolve, join } from 'node:path'
import { Channel } from '../accesslog/channel.ts'
import { CopyConnection } from '../accesslog/copy.ts'
import { Ledger } from '../accesslog/ledger.ts'
import { Spill } from '../accesslog/spill.ts'
import { type DrainResult, Writer } from '../accesslog/writer.ts'
import type { Options } from '../config/options.ts'
import type { Logger } from '../logger.ts'
import type { DatabaseTarget } from '../model/database-target.ts'
import { ensurePartitionFor } from '../store/partitions.ts'
import type { Sql } from '../store/sql.ts'
import { packageVersion } from '../version.ts'
import { InstanceRecord } from './instance-record.ts'

/** With a journal an entry is on disk after this long at most: the promise of `accessLog.journal`. */
const JOURNAL_MS = 10

/** The background: channel, ledger, writer, spill, and this process' row in `instances`. */
export class AccessLog {
  readonly ledger = new Ledger()
  readonly channel: Channel
  readonly writer: Writer
  readonly #record: InstanceRecord

  constructor(parts: {
    readonly instance: string
    readonly target: DatabaseTarget
    readonly control: Sql
    readonly options: Options
    readonly logger: Logger
  }) {
    const { instance, control, options: o, logger } = parts
    const { ledger } = this
    const channel = new Channel({
      capacityEntries: o['accessLog.capacityEntries'],
      capacityBytes: o['accessLog.capacityBytes'],
      ledger,
    })
    const spill =
      o['spill.maxBytes'] === 0
        ? null
        : new Spill({
            directory: join(resolve(o.stateDir), 'spill'),
            instance,
            maxBytes: o['spill.maxBytes'],
            syncIntervalMs: o['spill.syncIntervalMs'],
            timeoutMs: o['spill.timeoutMs'],
            logger,
          })
    this.channel = channel
    channel.blockedWhen(() => this.writer.isBlocked)
    this.writer = new Writer({
      channel,
      ledger,
      store: new CopyConnection(parts.target, { copyTimeoutMs: o['accessLog.copyTimeoutMs'] }),
      ensurePartitions: (days) => ensurePartitionFor(control, days),
      spill,
      channelFill: () => {
        const { size, capacityEntries, bytes, capacityBytes } = channel.stats
        return Math.max(size / capacityEntries, bytes / capacityBytes)
      },
      instance,
      options: {
        flushEntries: o['accessLog.flushEntries'],
        flushIntervalMs: o['accessLog.flushIntervalMs'],
        maxBatchEntries: o['accessLog.maxBatchEntries'],
        maxBatchBytes: o['accessLog.maxBatchBytes'],
        backoffMinMs: o['accessLog.backoffMinMs'],
        backoffMaxMs: o['accessLog.backoffMaxMs'],
        spillAfterMs: o['accessLog.spillAfterMs'],
        isJournal: o['accessLog.journal'],
      },
      logger,
    })
    this.#record = new InstanceRecord({
      sql: control,
      identity: {
        id: instance,
        version: packageVersion(),
        capacityEntries: o['accessLog.capacityEntries'] + o['accessLog.maxBatchEntries'],
        journalMs: o['accessLog.journal'] ? JOURNAL_MS : null,
      },
      figures: () => ({ acceptedSeq: channel.lastSeq, spilledEntries: ledger.totals.spilled }),
      logger,
    })
  }

  /** Begins to store, to replay what dead processes left, and to tell that this one lives. Waits for nothing. */
  start(): void {
    this.writer.start()
    this.#record.start()
  }

  /** Stores what is left, spills what cannot be stored by the deadline, and writes the end of the instance. */
  async drain(deadlineMs: number): Promise<DrainResult> {
    const result = await this.writer.drain(deadlineMs)
    await this.#record.stop()
    return result
  }
}
