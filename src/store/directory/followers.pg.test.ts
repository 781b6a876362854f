import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { lastChange, unconfirmed } from './followers.ts'
import { insertKey, revokeKey } from './keys.ts'
import { createTenant } from './tenants.ts'
import { testDatabase } from '../../test/database.ts'
import { follow } from '../../test/directory.ts'

const { sql, target } = await testDatabase(t)
await createTenant(sql, 'acme', {})

async function addKey(): Promise<{ id: string; digest: string }> {
  const { id, digest } = mintKey()
  const rest = { name: null, scopes: [], allowNetworks: [], rateLimit: null, expiresAt: null }
  await insertKey(sql, { id, digest, tenant: 'acme', ...rest })
  return { id, digest }
}

t.test(
  'D2: a backup restored under a live gateway: the revocation acts though its version is lower',
  async (t) => {
    const { digest, id } = await addKey()
    const { refresher, until, isRevoked } = follow(t, target, 20)
    await sql`UPDATE api_keys SET name = 'b' WHERE id = ${id}`
    await sql`UPDATE api_keys SET name = 'c' WHERE id = ${id}`
    await refresher.start()
    t.equal(refresher.snapshot?.keyByDigest(digest)?.version, 3)
    // As a backup has it: the row is older, its transaction too, and no trigger saw it come.
    await sql.begin(async (tx) => {
      await tx`ALTER TABLE api_keys DISABLE TRIGGER api_keys_guard`
      await tx`UPDATE api_keys SET version = 1, name = NULL WHERE id = ${id}`
      // What the admin log has waiting for the commit keeps the table from being altered.
      await tx`SET CONSTRAINTS ALL IMMEDIATE`
      await tx`ALTER TABLE api_keys ENABLE TRIGGER api_keys_guard`
    })
    await revokeKey(sql, id)
    await until(() => isRevoked(digest) === true)
    await until(() => refresher.snapshot?.keyByDigest(digest)?.version === 2)
    t.equal(refresher.stats.fullLoads, 2)
  },
)

t.test('D2: tables that were put back from a dump are read whole, though no row is new', async (t) => {
  const { digest, id } = await addKey()
  const { refresher, until, isRevoked } = follow(t, target, 20)
  await refresher.start()
  await sql.begin(async (tx) => {
    await tx`ALTER TABLE api_keys DISABLE TRIGGER ALL`
    await tx`CREATE TEMPORARY TABLE dump ON COMMIT DROP AS SELECT * FROM api_keys`
    await tx`UPDATE dump SET revoked_at = now(), changed_xid = '3' WHERE id = ${id}`
    await tx`TRUNCATE api_keys CASCADE`
    await tx`INSERT INTO api_keys SELECT * FROM dump`
    await tx`ALTER TABLE api_keys ENABLE TRIGGER ALL`
  })
  await until(() => isRevoked(digest) === true)
  t.equal(refresher.stats.fullLoads, 2)
})

t.test(
  'G12: who follows says what it has applied, also while a long transaction holds the horizon',
  async (t) => {
    const { id } = await addKey()
    const { refresher, follower } = follow(t, target, 20)
    await refresher.start()
    const isConfirmed = async (): Promise<boolean> => {
      const { missing } = await unconfirmed(sql, (await lastChange(sql, 'api_keys', id)) ?? '')
      return missing.every(({ instance }) => instance !== follower.instance)
    }
    await sql.begin(async (tx) => {
      await tx`SELECT pg_current_xact_id()`
      await revokeKey(sql, id)
      while (!(await isConfirmed())) await new Promise(setImmediate)
      t.pass('confirmed')
    })
    await refresher.stop()
    const rows = await sql`SELECT FROM directory_followers WHERE instance = ${follower.instance}`
    t.equal(rows.length, 0, 'gone after the stop')
  },
)
