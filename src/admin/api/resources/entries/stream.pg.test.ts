import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { createTenant } from '../../../../store/directory/tenants.ts'
import { revokeAdminToken } from '../../../../store/access/admin-tokens.ts'
import { testApi } from '../../../../test/api/api.ts'
import { TestRows } from '../../../../test/api/rows.ts'
import { testDatabase } from '../../../../test/database.ts'

const database = await testDatabase(t)
const streamBounds = { pollMs: 20, maxQueued: 50, recheckMs: 50, beatMs: 30, maxListeners: 4 }
const api = await testApi(t, database, { streamBounds })
for (const slug of ['acme', 'globex']) await createTenant(database.sql, slug, {})
const rows = await TestRows.open(database.sql)
const token = await api.tokenFor('viewer')

type Figures = Readonly<Record<'n' | 'errors' | 'refused', number>>

interface Event {
  readonly event: string
  readonly id: string
  readonly data: { readonly id: string; readonly tenant: string; readonly seq: number | null } & Figures
}

/** A client of the stream: what it was sent, and a wait for what it will be. */
class Tab {
  readonly events: Event[] = []
  text = ''
  readonly incoming: IncomingMessage
  readonly isClosed: Promise<unknown>

  private constructor(incoming: IncomingMessage) {
    this.incoming = incoming
    this.isClosed = new Promise((resolve) => {
      incoming.on('close', resolve)
      incoming.on('error', () => {})
    })
    incoming.setEncoding('utf8')
  }

  static async open(t: Test, query: string, headers: Record<string, string> = {}): Promise<Tab> {
    const outgoing = request({
      host: '127.0.0.1',
      port: api.port,
      path: `/api/v1/entries/stream?${query}`,
      headers: { authorization: `Bearer ${token}`, ...headers },
      agent: false,
    })
    outgoing.end()
    t.teardown(() => outgoing.destroy())
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    return new Tab(incoming)
  }

  read(): this {
    let rest = ''
    this.incoming.on('data', (text: string) => {
      this.text += text
      const parts = (rest + text).split('\n\n')
      rest = parts.pop() ?? ''
      for (const part of parts) {
        const fields = Object.fromEntries(
          part
            .split('\n')
            .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
        )
        if (fields['event'] === undefined) continue
        this.events.push({
          event: fields['event'],
          id: fields['id'] ?? '',
          data: JSON.parse(fields['data'] ?? '{}') as Event['data'],
        })
      }
    })
    return this
  }

  get ids(): string[] {
    return this.events.filter(({ event }) => event === 'entry').map(({ data }) => data.id)
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await once(this.incoming, 'data')
  }
}

t.test('three tabs see all rows that their filters permit, each once', async (t) => {
  const all = (await Tab.open(t, '')).read()
  const acme = (await Tab.open(t, 'tenant=acme')).read()
  const own = (
    await Tab.open(t, '', { authorization: `Bearer ${await api.tokenFor('tenant', 'acme')}` })
  ).read()
  t.equal(all.incoming.headers['content-type'], 'text/event-stream')
  const stored: string[] = []
  for (let i = 0; i < 5; i++) {
    const tenants = Array.from({ length: 8 }, (_, n) => ({
      tenant: n % 2 === 0 ? 'acme' : 'globex',
      status: 503,
    }))
    stored.push(...(await rows.store(tenants)))
  }
  const mine = stored.filter((_, n) => n % 2 === 0)
  await all.until(() => all.ids.length >= 40)
  for (const tab of [acme, own]) await tab.until(() => tab.ids.length >= 20)
  t.same(all.ids, stored)
  t.same(acme.ids, mine)
  t.same(own.ids, mine)
  const seqs = ({ events }: Tab) =>
    events.filter(({ event }) => event === 'entry').map(({ data }) => data.seq)
  t.ok(seqs(acme).every((seq) => typeof seq === 'number'))
  t.ok(
    seqs(own).every((seq) => seq === null),
    'a tenant does not see how many entries others have',
  )
  await all.until(() => all.events.some(({ event }) => event === 'figures'))
  t.match(all.events.find(({ event }) => event === 'figures')?.data, { errors: Number, refused: 0 })
  await all.until(() => /\n\nid: \d+\n\n/.test(all.text))
  const foreign = await api.ask('GET', '/entries/stream?tenant=globex', {
    token: await api.tokenFor('tenant', 'acme'),
  })
  t.equal(foreign.json()['code'], 'other_tenant')
})

t.test('what the gateway refused is no error besides, whatever its status', async (t) => {
  const tab = (await Tab.open(t, 'route=figures')).read()
  const sum = (figure: 'n' | 'errors' | 'refused'): number =>
    tab.events.filter(({ event }) => event === 'figures').reduce((n, { data }) => n + data[figure], 0)
  const failed = { route: 'figures', status: 503 }
  await rows.store([failed, { ...failed, outcome: 'overloaded', reason: 'queue_full' }])
  await tab.until(() => sum('n') >= 2)
  t.same([sum('n'), sum('errors'), sum('refused')], [2, 1, 1])
})

t.test('a tab that stalls holds nobody up, and is told what it was not sent', async (t) => {
  const stalled = await Tab.open(t, '')
  const live = (await Tab.open(t, '')).read()
  let stored = 0
  for (let i = 0; i < 40; i++) {
    await rows.store(Array.from({ length: 40 }, () => ({ path: `/${'x'.repeat(8000)}` })))
    stored += 40
    await live.until(() => seen(live) >= stored)
  }
  stalled.read()
  await stalled.until(() => seen(stalled) >= stored)
  t.equal(seen(stalled), stored)
  t.ok(leftOut(stalled) > 0, `${leftOut(stalled)} left out`)
})

const leftOut = (tab: Tab): number =>
  tab.events.filter(({ event }) => event === 'left-out').reduce((sum, { data }) => sum + data.n, 0)
const seen = (tab: Tab): number => tab.ids.length + leftOut(tab)

t.test('who comes again with an event is caught up, and told when that is not all', async (t) => {
  const first = (await Tab.open(t, 'route=again')).read()
  const before = await rows.store([{ route: 'again' }])
  await first.until(() => first.ids.length === 1)
  first.incoming.destroy()
  const missed = await rows.store([{ route: 'again' }, { route: 'again' }])
  const lastEventId = first.events.find(({ event }) => event === 'entry')?.id ?? ''
  for (const [query, headers] of [
    ['route=again', { 'last-event-id': lastEventId }],
    [`route=again&cursor=${lastEventId}`, {}],
  ] as const) {
    const second = (await Tab.open(t, query, headers)).read()
    await second.until(() => second.ids.length >= 3)
    t.same(second.ids, [...before, ...missed])
    const next = await rows.store([{ route: 'again' }])
    missed.push(...next)
    await second.until(() => second.ids.length >= 1 + missed.length)
    t.same(second.ids.slice(-1), next)
    second.incoming.destroy()
  }
  const late = (await Tab.open(t, `route=again&cursor=${Date.now() - 3_600_000}`)).read()
  await late.until(() => late.ids.length >= 3)
  t.match(late.events[0], { event: 'left-out', data: { n: null } })
})

t.test('who is cut off before an entry came, or while it is caught up, misses nothing', async (t) => {
  const idsOf = (tab: Tab): string[] => [...tab.text.matchAll(/^id: (\d+)$/gm)].map(([, id = '']) => id)
  const quiet = (await Tab.open(t, 'route=quiet')).read()
  await quiet.until(() => idsOf(quiet).length > 0)
  quiet.incoming.destroy()
  const missed = await rows.store(Array.from({ length: 4 }, () => ({ route: 'quiet' })))
  const place = idsOf(quiet).at(-1) ?? ''
  const second = (await Tab.open(t, 'route=quiet', { 'last-event-id': place })).read()
  await second.until(() => second.ids.length >= 4)
  t.same(second.ids, missed)
  t.equal(idsOf(second)[0], place)
  t.same(
    second.events.map(({ id }) => id).filter((id) => id !== ''),
    [],
  )
  await second.until(() => idsOf(second).length > 1)
  t.ok(Number(idsOf(second).at(-1)) >= Number(place))
})

t.test('of what is caught up nothing is left out, though it is more than may wait', async (t) => {
  const first = (await Tab.open(t, 'route=many')).read()
  await rows.store([{ route: 'many' }])
  await first.until(() => first.ids.length === 1)
  first.incoming.destroy()
  const lastEventId = first.events.find(({ event }) => event === 'entry')?.id ?? ''
  const missed = await rows.store(Array.from({ length: 150 }, () => ({ route: 'many' })))
  const second = (await Tab.open(t, 'route=many', { 'last-event-id': lastEventId })).read()
  await second.until(() => second.ids.length >= 151)
  t.same(second.ids.slice(1).toSorted(), missed.toSorted())
  t.notOk(second.events.some(({ event }) => event === 'left-out'))
})

t.test('an id of the future, of a database that was ahead, catches up all the same', async (t) => {
  const stored = await rows.store([{ route: 'ahead' }])
  const tab = (await Tab.open(t, `route=ahead&cursor=${Date.now() + 3_600_000}`)).read()
  await tab.until(() => tab.ids.length >= 1)
  t.same(tab.ids, stored)
})

t.test('a revoked token ends the stream', async (t) => {
  const { id, text } = await api.mint('viewer')
  const tab = (await Tab.open(t, '', { authorization: `Bearer ${text}` })).read()
  await revokeAdminToken(database.sql, id)
  await tab.isClosed
  t.pass('closed')
})

t.test('so many may listen, and when nobody does nothing is asked of the database', async (t) => {
  const tabs: Tab[] = []
  for (let i = 0; i < 4; i++) tabs.push((await Tab.open(t, '')).read())
  const refused = await api.ask('GET', '/entries/stream', { token })
  t.equal(refused.json()['code'], 'too_many_streams')
  for (const tab of tabs) tab.incoming.destroy()
  // The listener hears of it when the sockets have closed.
  let next = await Tab.open(t, '')
  while (next.incoming.statusCode === 429) next = await Tab.open(t, '')
  t.equal(next.incoming.statusCode, 200)
})

t.test('the streams close with the listener', async (t) => {
  const tab = (await Tab.open(t, '')).read()
  await Promise.all([api.close(), tab.isClosed])
  t.pass('closed')
})
