import t from 'tap'
import { settle } from '../../test/clock.ts'
import { PendingReplies } from './pending-replies.ts'

const BOUNDS = { timeoutMs: 60_000, late: 'late' }

t.test('a reply goes to its question, and one that nobody waits for to nobody', async (t) => {
  const replies = new PendingReplies<string>()
  const sent: number[] = []
  const asked = [1, 2].map((id) => replies.ask(id, () => void sent.push(id), BOUNDS))
  t.same(sent, [1, 2])
  replies.reply(2, 'two')
  replies.reply(1, 'one')
  replies.reply(1, 'again')
  t.same(await Promise.all(asked), ['one', 'two'])
  t.equal(await replies.ask(3, () => {}, { ...BOUNDS, timeoutMs: 1 }), 'late')
})

t.test('the end of the other process replies for it, and nothing is asked after it', async (t) => {
  const replies = new PendingReplies<string>()
  const asked = replies.ask(1, () => {}, BOUNDS)
  await settle()
  replies.end()
  t.equal(await asked, 'late')
  t.equal(await replies.ask(2, () => t.fail('sent'), BOUNDS), 'late')
})
