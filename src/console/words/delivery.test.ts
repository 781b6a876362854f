import t from 'tap'
import {
  answerWords,
  decisionsOn,
  DELIVERY_STATES,
  deliverySentence,
  markOf,
  readState,
  stateWords,
} from './delivery.ts'

const FRESH = { state: 'waiting', attempts: 0, lastStatus: null, lastReason: null } as const

t.test('a delivery is told in one sentence, whatever became of it', async (t) => {
  t.equal(deliverySentence(FRESH), 'It waits for its first attempt.')
  const failed = { ...FRESH, attempts: 2, lastStatus: 500, lastReason: 'status' } as const
  t.equal(deliverySentence(failed), 'It waits, after 2 attempts: answered 500.')
  t.equal(stateWords(failed), 'tried again')
  t.equal(
    deliverySentence({ ...failed, state: 'dead', lastStatus: null, lastReason: 'response_timeout' }),
    'Dead, after 2 attempts: response timeout. It is tried no more.',
  )
  t.equal(
    deliverySentence({ state: 'delivered', attempts: 1, lastStatus: 204, lastReason: null }),
    'Delivered, after 1 attempt: answered 204.',
  )
  for (const [state] of DELIVERY_STATES) {
    const told = { ...failed, state }
    for (const text of [deliverySentence(told), stateWords(told), answerWords(told)])
      t.notMatch(text, /_|undefined|null/, state)
    t.ok(markOf(told))
  }
})

t.test('what is over is delivered once more, what is open is given up', async (t) => {
  t.strictSame(Object.fromEntries(DELIVERY_STATES.map(([state]) => [state, decisionsOn(state).join(' ')])), {
    waiting: 'drop',
    dead: 'redeliver drop',
    delivered: 'redeliver',
    dropped: 'redeliver',
    coalesced: '',
    duplicate: '',
  })
  t.strictSame(decisionsOn(''), [], 'a search names a state')
})

t.test('an address names a state, or none', async (t) => {
  t.equal(readState('dead'), 'dead')
  for (const text of [null, '', 'lost', 'Dead letters']) t.equal(readState(text), '')
})
