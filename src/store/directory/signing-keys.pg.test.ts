import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { mintToken, readToken } from '../../model/token/access-token.ts'
import { testDatabase } from '../../test/database.ts'
import { follow } from '../../test/directory.ts'
import { insertKey } from './keys.ts'
import { ensureSigningKey, listSigningKeys, rotateSigningKeys } from './signing-keys.ts'
import { createTenant } from './tenants.ts'

const { sql, target } = await testDatabase(t)

t.test(
  'gateways know the tokens of each other, through a change of signers, and none after a theft',
  async (t) => {
    await ensureSigningKey(sql)
    await ensureSigningKey(sql)
    t.equal((await listSigningKeys(sql)).length, 1, 'one is enough')
    await createTenant(sql, 'signed', {})
    const key = mintKey()
    const rights = { scopes: ['*:*'], allowNetworks: [], rateLimit: null, expiresAt: null, name: null }
    await insertKey(sql, { id: key.id, digest: key.digest, tenant: 'signed', ...rights })
    const [one, two] = [follow(t, target, 60_000), follow(t, target, 60_000)]
    await Promise.all([one.refresher.start(), two.refresher.start()])
    const keysOf = (gateway: typeof one) => gateway.refresher.snapshot?.signingKeys ?? []
    t.equal(one.refresher.snapshot?.keyById(key.id)?.tenant, 'signed')
    const nowMs = Date.now()
    const token = mintToken({ keyId: key.id, access: [] }, 'gw', keysOf(one), nowMs) ?? ''
    t.match(readToken(token, 'gw', keysOf(two), nowMs), { keyId: key.id })
    const [newest, oldest] = await rotateSigningKeys(sql, false)
    t.ok(newest !== undefined && newest.activeFrom > newest.createdAt, 'known before it signs')
    t.same(oldest?.retiresAt, newest?.activeFrom)
    await Promise.all(
      [one, two].map(({ until, refresher }) => until(() => refresher.snapshot?.signingKeys.length === 2)),
    )
    t.match(readToken(token, 'gw', keysOf(two), nowMs), { keyId: key.id }, 'both are accepted')
    t.equal((await rotateSigningKeys(sql, true)).length, 1)
    await two.until(() => keysOf(two).length === 1)
    t.equal(readToken(token, 'gw', keysOf(two), nowMs), 'token_unknown_key')
  },
)
