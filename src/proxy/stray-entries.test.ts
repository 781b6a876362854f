import t from 'tap'
import { startGateway } from '../test/gateway.ts'

t.test("E5: an entry claims a tenant's place in the log only when its key was good", async (t) => {
  const gateway = await startGateway(t, {})
  const { key, directory } = gateway
  const client = await gateway.client()
  const statusOf = async (): Promise<number> => {
    client.send(`GET /r/x HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${key.text}\r\n\r\n`)
    return (await client.message()).status
  }
  directory.key(key, { isRevoked: true })
  t.equal(await statusOf(), 401)
  directory.key(key, { expiresAtMs: 1 })
  t.equal(await statusOf(), 401)
  directory.key(key)
  directory.tenant('acme', { state: 'suspended' })
  t.equal(await statusOf(), 401)
  directory.tenant('acme', { maxConcurrency: 0 })
  t.equal(await statusOf(), 429)
  await gateway.quiet()
  t.same(
    gateway.entries.map(({ tenant, standing, reason }) => [tenant, standing, reason]),
    [
      ['acme', 'stray', 'revoked_key'],
      ['acme', 'stray', 'expired_key'],
      ['acme', 'stray', 'suspended'],
      ['acme', 'firm', 'tenant_concurrency'],
    ],
  )
})
