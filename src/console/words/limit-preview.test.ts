import t from 'tap'
import { refusedAtLeast } from './limit-preview.ts'

t.test('a limit refuses at least what no pace within the minute gets past it', async (t) => {
  const limit = { perSecond: 1, burst: 10 }
  t.equal(refusedAtLeast([], limit), 0)
  t.equal(refusedAtLeast([{ minute: 7, requests: 70 }], limit), 0)
  t.equal(refusedAtLeast([{ minute: 7, requests: 71 }], limit), 1)
  const burstIsGone = [
    { minute: 7, requests: 100 },
    { minute: 8, requests: 61 },
  ]
  t.equal(refusedAtLeast(burstIsGone, limit), 31)
  const burstIsBack = [
    { minute: 7, requests: 100 },
    { minute: 9, requests: 70 },
  ]
  t.equal(refusedAtLeast(burstIsBack, limit), 30)
})

t.test('less than one a second adds up over minutes', async (t) => {
  const minutes = [1, 2, 3].map((minute) => ({ minute, requests: 2 }))
  t.equal(refusedAtLeast(minutes, { perSecond: 0.025, burst: 1 }), 1)
})
