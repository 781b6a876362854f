import { type Clock, systemClock } from '../../lib/time/clock.ts'
import type { LogLines } from '../../lib/log-lines.ts'
import { Spool, type SpoolOptions } from '../../spool/spool.ts'
import type { Spooled } from '../../spool/spool-reader.ts'
import type { Batch } from '../batch/batch.ts'
import { batchCodec } from './batch-codec.ts'
import { SpillLog } from './spill-log.ts'

/** See SpoolOptions. */
export interface SpillOptions extends Omit<SpoolOptions<Batch>, 'codec' | 'log' | 'clock'> {
  readonly logger: LogLines
  readonly clock?: Clock
}

/** The spool of the access log: sealed batches that the database does not take for now. */
export class Spill extends Spool<Batch> {
  constructor({ logger, clock = systemClock, ...options }: SpillOptions) {
    super({ ...options, clock, codec: batchCodec, log: new SpillLog(logger, clock) })
  }
}

/** A batch on disk. */
export type Spilled = Spooled<Batch>
