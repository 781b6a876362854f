import t from 'tap'
import { KeptShare } from './kept-share.ts'

t.test('a tenant is full by its keys or by its bytes, by what was told and what came since', async (t) => {
  const share = new KeptShare({ keys: 3, bytes: 100 })
  t.notOk(share.isFull('acme'))
  share.set([{ tenant: 'acme', keys: 2, bytes: 10 }])
  share.note('acme', 0, 89)
  t.notOk(share.isFull('acme'))
  share.note('acme', 0, 1)
  t.ok(share.isFull('acme'), 'by its bytes')
  share.set([{ tenant: 'acme', keys: 2, bytes: 99 }])
  t.notOk(share.isFull('acme'), 'what is told stands in place of what came')
  share.note('acme', 1, 0)
  t.ok(share.isFull('acme'), 'by its keys')
  t.notOk(share.isFull('other'))
})
