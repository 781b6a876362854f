import { Channel } from '../channel/channel.ts'
import { Ledger } from '../channel/ledger.ts'
import { Spill } from '../writer/spill/spill.ts'
import { MemoryFiles } from './files.ts'
import { FakeClock, settle } from './clock.ts'
import { FakeStore, INSTANCE, WRITER_OPTIONS } from './writer-parts.ts'
import type { WriterOptions } from '../writer/assembly.ts'
import { Writer } from '../writer/writer.ts'

const OPTIONS: WriterOptions = { ...WRITER_OPTIONS, spillAfterMs: 1000 }

/** Tells when the writer asks how full it is. */
class WatchedChannel extends Channel {
  onFill: () => void = () => {}

  override get fill(): number {
    this.onFill()
    return super.fill
  }
}

/** For tests: a whole access log as a gateway has it, on a clock, a database and a disk that do as they are told. */
export class TestLog {
  readonly clock = new FakeClock()
  readonly store = new FakeStore(this.clock)
  readonly disk = new MemoryFiles(() => this.clock.nowMs())
  readonly ledger = new Ledger()
  readonly channel: Channel
  readonly writer: Writer
  readonly spill: Spill | null

  /** `spillMaxBytes` 0: no spill. */
  constructor(
    parts: {
      readonly capacityEntries?: number
      readonly spillMaxBytes?: number
      readonly options?: Partial<WriterOptions>
      /** Called whenever the writer asks how full the channel is. */
      readonly onFill?: () => void
      /** Called with each line of the log. */
      readonly onLine?: (fields: object, message: string) => void
    } = {},
  ) {
    const { capacityEntries = 1000, spillMaxBytes = 1e7 } = parts
    const { clock, ledger } = this
    const tell = parts.onLine ?? (() => {})
    const logger = { info: tell, warn: tell, error: tell }
    const channel = new WatchedChannel({ capacityEntries, capacityBytes: 1e8, ledger })
    channel.onFill = parts.onFill ?? (() => {})
    this.channel = channel
    this.spill =
      spillMaxBytes === 0
        ? null
        : new Spill({
            directory: '/spill',
            instance: INSTANCE,
            maxBytes: spillMaxBytes,
            syncIntervalMs: 100,
            logger,
            clock,
            files: this.disk,
            owners: {
              us: async () => ({ pid: 1, host: '', space: '', started: '' }),
              isAlive: async () => true,
            },
          })
    this.writer = new Writer({
      channel,
      ledger,
      store: this.store,
      ensurePartitions: async () => {},
      spill: this.spill,
      instance: INSTANCE,
      options: { ...OPTIONS, ...parts.options },
      logger,
      clock,
      random: () => 0.999,
    })
    channel.blockedWhen(() => this.writer.isBlocked)
    this.writer.start()
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms)
    await settle()
  }
}
