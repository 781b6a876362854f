import t from 'tap'
import { connectionsNeeded, embeddedSettings } from './connections.ts'

t.test('F4: the embedded database has room for every worker and for commands', (t) => {
  let before = 0
  for (let workers = 1; workers <= 64; workers++) {
    const needed = connectionsNeeded(workers)
    t.ok(needed > before, `${workers}: more workers need more`)
    t.ok(Number(embeddedSettings(workers)['max_connections']) >= needed + 20, `${workers}: and leave some`)
    before = needed
  }
  t.equal(embeddedSettings(1)['max_connections'], '50')
  t.end()
})
