import fc from 'fast-check'
import t from 'tap'
import { PromisedBound } from '../lib/promised-bound.ts'
import { Ledger } from './ledger.ts'

function promised(floor: number): { ledger: Ledger; promise: PromisedBound; raises: number[] } {
  const ledger = new Ledger()
  const raises: number[] = []
  const promise: PromisedBound = new PromisedBound(ledger.unsettledEntries, {
    floor,
    onRaise: () => raises.push(promise.most),
  })
  return { ledger, promise, raises }
}

t.test('D11: whatever comes and goes, twice what is unsettled has been promised before', async () => {
  const step = fc.oneof(
    fc.record({ push: fc.nat(300) }),
    fc.record({ store: fc.nat(400) }),
    fc.record({ drop: fc.nat(50) }),
    fc.constant({ beat: 1 }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { ledger, promise } = promised(64)
      const account = ledger.account('acme')
      let isKept = true
      const look = (): void => {
        isKept &&= promise.most >= 64 && ledger.unsettled <= promise.most / 2
      }
      for (const { push = 0, store = 0, drop = 0, beat = 0 } of steps as Record<string, number>[]) {
        for (let i = 0; i < push; i++, look()) ledger.accept(account)
        for (let i = 0; i < drop; i++, look()) ledger.drop(account, 'channel_full')
        ledger.settle('acme', Math.min(store, account.buffered))
        if (beat === 1) promise.beat()
        look()
      }
      return isKept
    }),
  )
})

t.test('D11: it is raised in few steps, and lowered when little has come for a while', async (t) => {
  const { ledger, promise, raises } = promised(64)
  const account = ledger.account('acme')
  for (let i = 0; i < 1000; i++) ledger.accept(account)
  t.same(raises, [128, 256, 512, 1024, 2048])
  ledger.settle('acme', 1000)
  promise.beat()
  t.equal(promise.most, 2048, 'it may have been much a moment ago')
  for (let i = 0; i < 200; i++) promise.beat()
  t.equal(promise.most, 64)
})

t.test('D11: drops are unsettled until a batch that tells of them is safe', async (t) => {
  const ledger = new Ledger()
  const account = ledger.account('acme')
  ledger.accept(account)
  ledger.accept(account)
  ledger.drop(account, 'channel_full')
  ledger.dropBuffered('acme', 1, 'channel_full')
  t.equal(ledger.unsettled, 3)
  const report = ledger.takeUnreportedDrops()
  t.equal(ledger.unsettled, 3, 'they are only in hand')
  ledger.settleDrops(report)
  ledger.move('acme', 1, 'buffered', 'spilled')
  t.equal(ledger.unsettled, 0)
  ledger.move('acme', 1, 'spilled', 'stored')
  t.equal(ledger.unsettled, 0)
})
