import t, { type Test } from 'tap'
import { createTenant } from '../../../../store/directory/tenants.ts'
import { ensurePartitions } from '../../../../store/entries/partitions.ts'
import { testApi } from '../../../../test/api/api.ts'
import { testDatabase } from '../../../../test/database.ts'
import { TestInstance } from '../../../../test/ledger.ts'

const HOUR_MS = 3_600_000
const HOST = 'gateway-7.internal'
const FIRST_MS = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 6 * HOUR_MS

interface Body {
  readonly hours: readonly {
    readonly at: string
    readonly state: string
    readonly accepted: number
    readonly gaps: readonly { readonly kind: string; readonly tenant: string | null }[]
  }[]
  readonly tenants: readonly {
    readonly tenant: string
    readonly states: readonly string[]
    readonly accepted: readonly number[]
  }[]
  readonly moreTenants: number
}

/** Half past an hour, counted from the first. */
const at = (hour: number): Date => new Date(FIRST_MS + hour * HOUR_MS + HOUR_MS / 2)

async function scene(t: Test) {
  const database = await testDatabase(t)
  const { sql } = database
  const api = await testApi(t, database)
  for (const slug of ['acme', 'globex']) await createTenant(sql, slug, {})
  await ensurePartitions(sql, new Date(FIRST_MS - 24 * HOUR_MS), 4)
  const instance = new TestInstance(sql)
  await sql`
    INSERT INTO instances (id, host, version, started_at, last_seen_at, ended_at, capacity_entries)
    VALUES (${instance.id}, ${HOST}, '9.8.7', ${new Date(FIRST_MS)}, ${at(4)}, ${at(4)}, 4096)`
  const tokens = { viewer: await api.tokenFor('viewer'), tenant: await api.tokenFor('tenant', 'acme') }
  const read = async (query = '', who: keyof typeof tokens = 'viewer') => {
    const window = `since=${new Date(FIRST_MS).toISOString()}&until=${new Date(FIRST_MS + 5 * HOUR_MS).toISOString()}`
    const reply = await api.ask('GET', `/completeness?${window}${query}`, { token: tokens[who] })
    return { ...(reply.json() as unknown as Body), status: reply.status, text: reply.text }
  }
  return { sql, api, instance, read, tokens }
}

t.test('each hour is complete, without a request, or has its gaps, of all and of each tenant', async (t) => {
  const { instance, read } = await scene(t)
  const acme = (hour: number) => ({ tenant: 'acme', startedAt: at(hour) })
  await instance.store(instance.seal([acme(0), acme(0)]))
  await instance.store(instance.seal([acme(1)]))
  // What a batch tells of drops may be of the hour of the one before it.
  const lossy = { ...acme(1), tenant: 'globex' }
  await instance.store(instance.seal([lossy], { dropped: { globex: { channel_full: 3 } } }))
  await instance.store(instance.seal([acme(3)]))
  await instance.store(instance.seal([acme(4)], { isFinal: true }))
  const { hours, tenants, moreTenants } = await read()
  t.same(
    hours.map(({ state }) => state),
    ['complete', 'gap', 'none', 'complete', 'complete'],
  )
  t.same(
    hours.map(({ accepted }) => accepted),
    [2, 5, 0, 1, 1],
  )
  t.match(hours[1]?.gaps, [{ kind: 'dropped', tenant: 'globex', entries: 3 }])
  t.same(tenants, [
    { tenant: 'globex', states: ['none', 'gap', 'none', 'none', 'none'], accepted: [0, 4, 0, 0, 0] },
    {
      tenant: 'acme',
      states: ['complete', 'complete', 'none', 'complete', 'complete'],
      accepted: [2, 1, 0, 1, 1],
    },
  ])
  t.equal(moreTenants, 0)
  const first = await read('&limit=1')
  t.equal(first.tenants[0]?.tenant, 'globex', 'who has gaps comes first')
  t.equal(first.moreTenants, 1)
  const own = await read('', 'tenant')
  t.same(
    own.hours.map(({ state, accepted }) => [state, accepted]),
    [
      ['complete', 2],
      ['complete', 1],
      ['none', 0],
      ['complete', 1],
      ['complete', 1],
    ],
  )
  t.notMatch(own.text, 'globex')
  t.equal((await read('&tenant=globex', 'tenant')).status, 403)
})

t.test(
  'a hole in the batches is in each hour that it may be of, and a tenant is not told of the machine',
  async (t) => {
    const { instance, read } = await scene(t)
    const acme = (hour: number) => ({ tenant: 'acme', startedAt: at(hour) })
    await instance.store(instance.seal([acme(0)]))
    await instance.store(instance.seal([acme(1)]))
    instance.seal([acme(2)])
    await instance.store(instance.seal([acme(3)]))
    await instance.store(instance.seal([acme(4)], { isFinal: true }))
    for (const who of ['viewer', 'tenant'] as const) {
      const { hours, tenants, text } = await read('', who)
      t.same(
        hours.map(({ state }) => state),
        ['complete', 'gap', 'gap', 'gap', 'complete'],
      )
      t.match(hours[2]?.gaps, [{ kind: 'missing_batches', tenant: null }])
      t.same(tenants[0]?.states, ['complete', 'gap', 'gap', 'gap', 'complete'])
      if (who === 'tenant') for (const secret of [HOST, '9.8.7']) t.notMatch(text, secret)
      else t.match(text, HOST)
    }
  },
)

t.test(
  'a window is of whole hours, ends with the one that is not over, and is 7 days long at most',
  async (t) => {
    const { api, tokens } = await scene(t)
    const ask = async (query: string) =>
      await api.ask('GET', `/completeness?${query}`, { token: tokens.viewer })
    const day = (await ask('')).json() as unknown as Body
    t.ok(day.hours.length >= 24 && day.hours.length <= 26, String(day.hours.length))
    t.equal(day.hours.at(-1)?.state, 'so_far', 'it is not over')
    const times = day.hours.map(({ at: time }) => Date.parse(time))
    t.ok(times.every((time, i) => time % HOUR_MS === 0 && time === (times[0] ?? 0) + i * HOUR_MS))
    t.equal((await ask('since=8d')).status, 400)
    const future = new Date(Date.now() + 2 * HOUR_MS).toISOString()
    const later = new Date(Date.now() + 3 * HOUR_MS).toISOString()
    t.equal((await ask(`since=${future}&until=${later}`)).status, 400)
  },
)
