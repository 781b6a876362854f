import t from 'tap'
import { Channel } from '../../channel/channel.ts'
import { DropLog } from './drop-log.ts'
import { Ledger } from '../../channel/ledger.ts'
import { FakeClock } from '../../test/clock.ts'
import { entryOf } from '../../test/writer-parts.ts'

function rigOf() {
  const clock = new FakeClock()
  const ledger = new Ledger()
  const lines: { message: string; fields: object }[] = []
  const tell = (fields: object, message: string): void => void lines.push({ message, fields })
  const logger = { info: tell, warn: tell, error: tell }
  const log = new DropLog({ ledger, clock, logger, cause: () => ({ database: '57P03', disk: 'ENOSPC' }) })
  const channel = new Channel({ capacityEntries: 5, capacityBytes: 1e6, ledger })
  const push = (entries: number): void => {
    for (let i = 0; i < entries; i++) channel.push(entryOf())
  }
  return { clock, lines, log, push, channel }
}

t.test(
  'D13: drops are told when they begin, with the reason, while they last, and all told at the end',
  async (t) => {
    const { clock, lines, log, push, channel } = rigOf()
    push(5)
    await clock.advance(60_000)
    t.same(lines, [], 'nothing is dropped, nothing is told')
    t.equal(clock.timers, 0)
    push(20)
    t.same(lines, [], 'not from within a request')
    await clock.advance(100)
    t.same(lines, [
      {
        message: 'access log: entries are being dropped',
        fields: { entries: 20, reasons: { channel_full: 20 }, database: '57P03', disk: 'ENOSPC' },
      },
    ])
    for (let i = 0; i < 60; i++) {
      push(1)
      await clock.advance(1000)
    }
    t.equal(lines.length, 3, 'each half minute while it lasts')
    t.equal(log.isDropping, true)
    await clock.advance(15_000)
    t.equal(log.isDropping, false)
    t.match(lines.at(-1), {
      message: 'access log: dropping has ended',
      fields: { entries: 80, reasons: { channel_full: 80 }, tenants: { acme: 80 } },
    })
    t.equal(clock.timers, 0)
    push(3)
    await clock.advance(100)
    t.match(lines.at(-1)?.fields, { entries: 3 }, 'the next time is told of itself')
    log.stop()
    t.match(lines.at(-1), { message: 'access log: dropping has ended', fields: { entries: 3 } })
    channel.close()
    push(1)
    t.equal(clock.timers, 0, 'and no more')
  },
)
