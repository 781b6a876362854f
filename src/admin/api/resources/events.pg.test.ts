import t from 'tap'
import { EVENT_TYPES } from '../../../model/events/event.ts'
import { failDelivery, publishEvents } from '../../../store/events/outbox.ts'
import { testApi } from '../../../test/api/api.ts'
import { testDatabase } from '../../../test/database.ts'

const receiver = {
  url: 'https://hooks.example.test/waybill?token=hidden',
  secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
  types: EVENT_TYPES,
}
const other = { ...receiver, url: 'http://127.0.0.1:9/other', types: ['key.expiring'] as const }

const database = await testDatabase(t)
const served = [
  { receiver, isGone: false },
  { receiver: other, isGone: true },
]
const api = await testApi(t, database, { receivers: () => served })

t.test('what was told is listed in pages, and what a receiver has not taken', async (t) => {
  const { sql } = database
  const token = await api.tokenFor('viewer')
  const event = (n: number) => ({ id: `e${n}`, type: 'ledger.gap', data: { n } }) as const
  for (let n = 0; n < 5; n++) await publishEvents(sql, [event(n)], [receiver, other])
  await failDelivery(sql, receiver, { eventId: 'e0', ms: null, reason: 'status 500' })
  await failDelivery(sql, receiver, { eventId: 'e1', ms: 5000, reason: 'ECONNREFUSED' })
  const ids: string[] = []
  for (let cursor = ''; ;) {
    const page = (await api.ask('GET', `/events?limit=2${cursor}`, { token })).json()
    const { items, next } = page as { items: { id: string }[]; next: string | null }
    ids.push(...items.map(({ id }) => id))
    if (next === null) break
    cursor = `&cursor=${next}`
  }
  t.same(ids, ['e4', 'e3', 'e2', 'e1', 'e0'])
  const none = await api.ask('GET', '/events?type=key.expiring', { token })
  t.same(none.json()['items'], [])
  const reply = await api.ask('GET', '/events/receivers', { token })
  t.match(reply.json()['items'], [
    {
      name: 'https://hooks.example.test',
      isGone: false,
      waiting: 4,
      givenUp: 1,
      attempts: 0,
      failure: 'ECONNREFUSED',
    },
    { name: 'http://127.0.0.1:9', isGone: true, waiting: 0, oldestAt: null, givenUp: 0, failure: null },
  ])
  t.notMatch(reply.text, /hidden|whsec_/)
})
