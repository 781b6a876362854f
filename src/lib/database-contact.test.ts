import t from 'tap'
import { DatabaseContact } from './database-contact.ts'

function contactAt(patienceMs: number) {
  const time = { nowTick: 1000 }
  return { time, contact: new DatabaseContact(patienceMs, () => time.nowTick) }
}

t.test('nothing is known before the first answer, and one that never comes is an absence', async (t) => {
  const { time, contact } = contactAt(1500)
  t.strictSame(contact.reading, { state: 'unknown', sinceMs: 0, silentMs: null, error: null })
  time.nowTick += 1501
  t.strictSame(contact.reading, { state: 'away', sinceMs: 1501, silentMs: null, error: null })
  contact.heard()
  t.strictSame(contact.reading, { state: 'there', sinceMs: 0, silentMs: 0, error: null })
})

t.test('G4: a server that refuses is away at once, since it was heard last, until it is heard', async (t) => {
  const { time, contact } = contactAt(1500)
  contact.heard()
  time.nowTick += 400
  contact.heard()
  t.match(contact.reading, { state: 'there', sinceMs: 400, silentMs: 0 })
  for (const code of ['ECONNREFUSED', 'ENOENT', 'ENOTFOUND', '57P03', '57P01']) {
    time.nowTick += 100
    contact.failed(code)
    t.strictSame(contact.reading, { state: 'away', sinceMs: 100, silentMs: 100, error: code })
    time.nowTick += 50
    contact.heard()
    t.strictSame(contact.reading, { state: 'there', sinceMs: 0, silentMs: 0, error: null })
  }
})

t.test('G4: a server that answers nothing is away after its patience', async (t) => {
  const { time, contact } = contactAt(1500)
  contact.heard()
  time.nowTick += 1500
  t.match(contact.reading, { state: 'there', silentMs: 1500 })
  time.nowTick++
  t.match(contact.reading, { state: 'away', sinceMs: 1501 })
  contact.heard()
  time.nowTick += 7
  t.match(contact.reading, { state: 'there', sinceMs: 7 }, 'from when it was heard again')
})

t.test('one connection that breaks is no absence of the server', async (t) => {
  const { time, contact } = contactAt(1500)
  contact.heard()
  for (const code of ['ECONNRESET', 'CONNECTION_CLOSED', '53300', '42501', 'ETIMEDOUT', 'unknown']) {
    contact.failed(code)
    t.match(contact.reading, { state: 'there', error: code })
  }
  time.nowTick += 1501
  t.match(contact.reading, { state: 'away', error: 'unknown' }, 'unless nobody is answered')
})
