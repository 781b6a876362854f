import { connect, createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { DatabaseClock } from '../../lib/time/database-clock.ts'
import { mintKey } from '../../model/api-key.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import { openDirectorySource } from './postgres-source.ts'
import { getKey, insertKey, revokeKey } from './keys.ts'
import { type Sql } from '../sql.ts'
import { createTenant, setTenantState, updateTenant } from './tenants.ts'
import { testDatabase } from '../../test/database.ts'
import { follow, testFollower } from '../../test/directory.ts'

const { sql, target } = await testDatabase(t)

await createTenant(sql, 'acme', {
  rateLimit: { perSecond: 2, burst: 4 },
  routeRateLimits: { npm: { perSecond: 1, burst: 1 } },
})

async function addKey(on: Sql = sql): Promise<{ id: string; digest: string }> {
  const { id, digest } = mintKey()
  const networks = ['10.0.0.0/8']
  await insertKey(on, {
    id,
    digest,
    tenant: 'acme',
    name: null,
    scopes: ['npm:read', 'files:*'],
    allowNetworks: networks,
    rateLimit: { perSecond: 1, burst: 1 },
    expiresAt: new Date('2100-01-01'),
  })
  return { id, digest }
}

/** A relay in front of the database that can go silent as a frozen server does, or be gone. */
class Relay {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isFrozen = false

  constructor(to: DatabaseTarget) {
    this.#server = createServer((client) => {
      const upstream = to.host.startsWith('/')
        ? connect(`${to.host}/.s.PGSQL.${to.port}`)
        : connect(to.port, to.host)
      for (const [from, into] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(from)
        from.on('data', (data) => {
          if (!this.#isFrozen) into.write(data)
        })
        from.on('error', () => {})
        from.on('close', () => {
          this.#sockets.delete(from)
          if (!this.#isFrozen) into.destroy()
        })
      }
    })
  }

  async open(): Promise<DatabaseTarget> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve)
    })
    return { ...target, host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port }
  }

  freeze(isFrozen: boolean): void {
    this.#isFrozen = isFrozen
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => {
      this.#server.close(resolve)
    })
  }
}

t.test('the snapshot has what the tables have', async (t) => {
  const { digest, id } = await addKey()
  const { refresher } = follow(t, target, 60_000)
  await refresher.start()
  const grant = refresher.snapshot?.keyByDigest(digest)
  t.match(grant, { id, tenant: 'acme', isRevoked: false, expiresAtMs: Date.parse('2100-01-01'), version: 1 })
  t.match(grant?.rateLimit, { perSecond: 1, burst: 1 })
  t.ok(grant?.scopes.write.has('files') && grant.scopes.read.has('npm') && !grant.scopes.write.has('npm'))
  t.equal(grant?.networks?.check('10.1.1.1'), true)
  t.match(refresher.snapshot?.tenants.get('acme'), {
    state: 'active',
    rateLimit: { perSecond: 2, burst: 4 },
    routeRateLimits: { npm: { perSecond: 1, burst: 1 } },
  })
})

t.test('a notification alone brings a revocation at once', async (t) => {
  const { digest, id } = await addKey()
  const { refresher, until, isRevoked } = follow(t, target, 3_600_000)
  await refresher.start()
  t.equal(refresher.stats.isListening, true)
  const startedAt = performance.now()
  await revokeKey(sql, id)
  await until(() => isRevoked(digest) === true)
  t.ok(performance.now() - startedAt < 1000, `${Math.round(performance.now() - startedAt)} ms`)
})

t.test('a notification alone brings a change of the log policy at once', async (t) => {
  await createTenant(sql, 'audited', {})
  const { refresher, until } = follow(t, target, 3_600_000)
  await refresher.start()
  t.equal(refresher.snapshot?.tenants.get('audited')?.logPolicy, 'spill')
  const startedAt = performance.now()
  await updateTenant(sql, 'audited', { logPolicy: 'strict' }, null)
  await until(() => refresher.snapshot?.tenants.get('audited')?.logPolicy === 'strict')
  t.ok(performance.now() - startedAt < 1000, `${Math.round(performance.now() - startedAt)} ms`)
})

t.test('the poll alone brings it within a second', async (t) => {
  const { digest, id } = await addKey()
  const { refresher, until, isRevoked } = follow(t, target, 500)
  await refresher.start()
  await sql`ALTER TABLE api_keys DISABLE TRIGGER api_keys_notify`
  t.teardown(() => sql`ALTER TABLE api_keys ENABLE TRIGGER api_keys_notify`)
  const startedAt = performance.now()
  await revokeKey(sql, id)
  await until(() => isRevoked(digest) === true)
  t.ok(performance.now() - startedAt < 1000, `${Math.round(performance.now() - startedAt)} ms`)
  t.equal(refresher.stats.notifications, 0)
})

t.test('a change that commits long after later ones is not missed', async (t) => {
  const early = await addKey()
  const late = await addKey()
  const { refresher, until, isRevoked } = follow(t, target, 20)
  await refresher.start()
  await sql.begin(async (tx) => {
    await tx`UPDATE api_keys SET revoked_at = now() WHERE id = ${late.id}` // has its transaction id now
    await revokeKey(sql, early.id)
    await until(() => isRevoked(early.digest) === true)
    const { refreshes } = refresher.stats
    const other = await addKey() // moves on the snapshot, and with it the cursor, were it a naive one
    await until(() => refresher.snapshot?.keyByDigest(other.digest) !== undefined)
    t.ok(refresher.stats.refreshes > refreshes)
    t.equal(isRevoked(late.digest), false, 'not committed yet')
  })
  await until(() => isRevoked(late.digest) === true)
  t.equal(refresher.stats.fullLoads, 1)
})

t.test('deleting a tenant reaches the snapshot with all its keys', async (t) => {
  await createTenant(sql, 'doomed', {})
  const { id, digest } = mintKey()
  await insertKey(sql, {
    id,
    digest,
    tenant: 'doomed',
    name: null,
    scopes: [],
    allowNetworks: [],
    rateLimit: null,
    expiresAt: null,
  })
  const { refresher, until, isRevoked } = follow(t, target, 500)
  await refresher.start()
  await setTenantState(sql, 'doomed', 'deleted')
  await until(() => isRevoked(digest) === true)
  t.equal(refresher.snapshot?.tenants.get('doomed')?.state, 'deleted')
})

t.test(
  'keys of no use for 90 days are left out, and rows with ids from another server do not come with every poll',
  async (t) => {
    const old = await addKey()
    await sql`UPDATE api_keys SET revoked_at = now() - interval '91 days' WHERE id = ${old.id}`
    const restored = await addKey()
    await sql`ALTER TABLE api_keys DISABLE TRIGGER api_keys_guard`
    await sql`UPDATE api_keys SET changed_xid = '9000000000' WHERE id = ${restored.id}`
    await sql`ALTER TABLE api_keys ENABLE TRIGGER api_keys_guard`
    const source = openDirectorySource(target, sql, testFollower())
    const connection = source.connect({ onHint: () => {}, onClose: () => {} })
    t.teardown(() => connection.destroy())
    const found: string[] = []
    const { cursor } = await connection.load(
      null,
      ({ keys }) => void found.push(...keys.map((key) => key.id)),
    )
    t.ok(found.includes(restored.id))
    t.notOk(found.includes(old.id))
    found.length = 0
    await connection.load(cursor, ({ keys }) => void found.push(...keys.map((key) => key.id)))
    // Rows that others changed may come again while a transaction anywhere on the server holds the horizon back.
    t.notOk(found.includes(restored.id))
  },
)

t.test('what fails while rows are taken in is reported, even with the last of them', async (t) => {
  const connection = openDirectorySource(target, sql, testFollower()).connect({
    onHint: () => {},
    onClose: () => {},
  })
  t.teardown(() => connection.destroy())
  const failing = connection.load(null, () => {
    throw new Error('no room')
  })
  await t.rejects(failing, { message: 'no room' })
})

t.test('uses are written when it stops', async (t) => {
  const { id } = await addKey()
  const { refresher } = follow(t, target, 500)
  await refresher.start()
  refresher.noteUse(id)
  await refresher.stop()
  t.ok(Date.now() - ((await getKey(sql, id))?.lastUsedAt?.getTime() ?? 0) < 60_000)
})

t.test('a cut connection, a restart of the server: it follows again', async (t) => {
  const relay = new Relay(target)
  const { refresher, until, isRevoked } = follow(t, await relay.open(), 50)
  t.teardown(() => relay.close())
  const { id, digest } = await addKey()
  await refresher.start()
  relay.cut()
  await revokeKey(sql, id)
  await until(() => isRevoked(digest) === true)
  t.equal(refresher.stats.lastError, null)
})

t.test('a server that freezes keeps the snapshot, is noticed and is followed again', async (t) => {
  const relay = new Relay(target)
  const { refresher, until, isRevoked } = follow(t, await relay.open(), 50)
  t.teardown(() => relay.close())
  const { id, digest } = await addKey()
  await refresher.start()
  relay.freeze(true)
  await revokeKey(sql, id)
  t.equal(isRevoked(digest), false)
  await new Promise<void>((resolve) => {
    const look = setInterval(() => {
      if (refresher.stats.lastError === null) return
      clearInterval(look)
      resolve()
    }, 20)
  })
  t.equal(refresher.stats.lastError, 'ETIMEDOUT')
  relay.freeze(false)
  relay.cut()
  await until(() => isRevoked(digest) === true)
})

t.test('stops in bounded time while the server is frozen', async (t) => {
  const relay = new Relay(target)
  const { refresher } = follow(t, await relay.open(), 50)
  t.teardown(() => relay.close())
  await refresher.start()
  refresher.noteUse('000000000000')
  relay.freeze(true)
  const startedAt = performance.now()
  await refresher.stop()
  t.ok(performance.now() - startedAt < 3500, `${Math.round(performance.now() - startedAt)} ms`)
})

t.test('no database at all: start resolves, and it loads once there is one', async (t) => {
  const relay = new Relay(target)
  const away = await relay.open()
  await relay.close()
  const { refresher, until } = follow(t, away, 50)
  await refresher.start()
  t.equal(refresher.snapshot, null)
  t.equal(refresher.stats.lastError, 'ECONNREFUSED')
  const { port } = away
  const back = createServer((client) => {
    const upstream = target.host.startsWith('/')
      ? connect(`${target.host}/.s.PGSQL.${target.port}`)
      : connect(target.port, target.host)
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => {})
  })
  back.listen(port, '127.0.0.1')
  t.teardown(async () => {
    await refresher.stop()
    back.close()
  })
  await until(() => refresher.snapshot !== null)
  t.equal(refresher.stats.lastError, null)
})

t.test("D1: each load tells the database's time", async (t) => {
  const at = { wall: Date.now() + 40 * 86_400_000, tick: 0 }
  const clock = new DatabaseClock({ wall: () => at.wall, tick: () => at.tick })
  const connection = openDirectorySource(target, sql, testFollower(), clock).connect({
    onHint: () => {},
    onClose: () => {},
  })
  t.teardown(() => connection.destroy())
  const { cursor } = await connection.load(null, () => {})
  const [row] = await sql<{ ms: number }[]>`SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms`
  t.ok(Math.abs(clock.nowMs() - (row?.ms ?? 0)) < 60_000)
  at.tick += 3_600_000
  await connection.load(cursor, () => {})
  t.ok(Math.abs(clock.nowMs() - (row?.ms ?? 0)) < 60_000, 'a load without news does so too')
})
