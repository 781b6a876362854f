import t from 'tap'
import { ServerEvents } from './server-events.ts'

const TEXT =
  'id: 7\nretry: 2000\n\n:\n\nevent: entry\nid: 8\ndata: {"a":\ndata:1}\n\nevent: figures\ndata: {}\r\n\r\nid: 9\n\nevent: en'

t.test('events are the same, wherever the pieces end', async (t) => {
  for (let size = 1; size <= TEXT.length; size++) {
    const reader = new ServerEvents()
    const events = []
    for (let at = 0; at < TEXT.length; at += size) events.push(...reader.push(TEXT.slice(at, at + size)))
    t.strictSame(events, [
      { event: 'entry', data: '{"a":\n1}' },
      { event: 'figures', data: '{}' },
    ])
    t.equal(reader.lastId, '9')
  }
})

t.test('an id without data is no event, and is where one comes again', async (t) => {
  const reader = new ServerEvents()
  t.strictSame(reader.push('id: 7\n\n'), [])
  t.equal(reader.lastId, '7')
})
