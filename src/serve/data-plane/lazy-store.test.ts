import t from 'tap'
import type { Batch, BatchStore } from '../../writer/batch/batch.ts'
import { LazyStore } from './lazy-store.ts'

/** The store behind it: what was asked of it, in order. */
function storeThatTells(): { store: BatchStore; asked: string[] } {
  const asked: string[] = []
  const store: BatchStore = {
    store: (batch, more = []) => {
      asked.push(`store ${batch.number} and ${more.length}`)
      return Promise.resolve({ state: 'stored', rows: 1 })
    },
    storedAmong: (batches) => {
      asked.push('storedAmong')
      return Promise.resolve(new Set(batches))
    },
    probe: () => Promise.resolve(void asked.push('probe')),
    close: () => Promise.resolve(void asked.push('close')),
    destroy: () => void asked.push('destroy'),
  }
  return { store, asked }
}

const BATCH = { number: 7 } as Batch

t.test('a store is opened by the first batch, and once', async (t) => {
  const { store, asked } = storeThatTells()
  let opened = 0
  const lazy = new LazyStore(() => {
    opened++
    return Promise.resolve(store)
  })
  await lazy.close()
  lazy.destroy()
  t.equal(opened, 0, 'to be ended it need not be opened')
  t.same(await lazy.store(BATCH, [BATCH]), { state: 'stored', rows: 1 })
  t.same(await lazy.storedAmong([BATCH]), new Set([BATCH]))
  await lazy.probe(BATCH)
  lazy.destroy()
  await lazy.close()
  t.same(asked, ['store 7 and 1', 'storedAmong', 'probe', 'destroy', 'close'])
  t.equal(opened, 1)
})

t.test('a batch that waits for the opening is not stored once the store was destroyed', async (t) => {
  const { store, asked } = storeThatTells()
  let open = (_store: BatchStore): void => {}
  const lazy = new LazyStore(() => new Promise((resolve) => (open = resolve)))
  const storing = lazy.store(BATCH)
  lazy.destroy()
  open(store)
  await t.rejects(storing, { message: /destroyed/ })
  t.same(asked, [])
  await lazy.store(BATCH)
  t.same(asked, ['store 7 and 0'], 'the next one is')
})

t.test('a store that could not be opened is opened anew by the next batch', async (t) => {
  const { store } = storeThatTells()
  let isThere = false
  const lazy = new LazyStore(() => (isThere ? Promise.resolve(store) : Promise.reject(new Error('not yet'))))
  await t.rejects(lazy.store(BATCH), { message: 'not yet' })
  isThere = true
  t.match(await lazy.store(BATCH), { state: 'stored' })
})

t.test(
  'a store that was opened before is opened no second time; a failure waits for the batch',
  async (t) => {
    const { store, asked } = storeThatTells()
    let attempts = 0
    const lazy = new LazyStore(() => {
      attempts++
      return attempts === 1 ? Promise.reject(new Error('not now')) : Promise.resolve(store)
    })
    lazy.open()
    await new Promise(setImmediate)
    lazy.open()
    await lazy.store(BATCH, [])
    t.equal(attempts, 2)
    t.same(asked, ['store 7 and 0'])
  },
)
