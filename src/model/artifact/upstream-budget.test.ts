import t from 'tap'
import { parseUpstreamLimit } from './upstream-budget.ts'

t.test('what an upstream said of its limit is read, as far as it is understood', (t) => {
  t.same(parseUpstreamLimit('limit=100;remaining=42;reset=1732700000;window=21600;retry=30'), {
    limit: 100,
    remaining: 42,
    resetAt: new Date(1_732_700_000_000),
    windowSeconds: 21_600,
  })
  t.match(parseUpstreamLimit(' remaining = 0 ; source=header;limit=-1'), { limit: null, remaining: 0 })
  const nothing = { limit: null, remaining: null, resetAt: null, windowSeconds: null }
  for (const text of ['', 'retry=7', 'reset=999999999999999', 'limit=', ';;', '=1'])
    t.same(parseUpstreamLimit(text), nothing, text)
  t.end()
})
