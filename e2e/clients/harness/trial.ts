import type { Test } from 'tap'
import { assertAllStored, waitForEntries } from '../../harness/accounting.ts'
import type { Finished } from '../../harness/child.ts'
import type { TestDatabase } from '../../harness/database.ts'
import type { TestGateway } from '../../harness/gateway.ts'
import { inventedKey } from '../../harness/invented-key.ts'
import type { LimitedScene } from './scene.ts'

/** A package and its version, as entries name them. */
export interface Used {
  readonly package: string
  readonly version: string | null
}

/** A key that is no more: minted, revoked, and known as revoked to the gateway. */
export async function revokedKey(gateway: TestGateway, tenant: string, scope: string): Promise<string> {
  const key = await gateway.mint({ tenant, scopes: [scope] })
  await gateway.must('keys', 'revoke', keyId(key), '--wait')
  return key
}

/** A key of a tenant who may make so many requests at once and then none for a minute: `<tenant>-limited`. */
export async function limitedKey(
  gateway: TestGateway,
  tenant: string,
  scope: string,
  burst = 1,
): Promise<string> {
  const limited = `${tenant}-limited`
  await gateway.must('tenants', 'create', limited, '--rate', `0.01:${burst}`)
  return gateway.mint({ tenant: limited, scopes: [scope] })
}

/**
 * Asserts that a client that is far over its rate ends well, for it is held: none of its requests is refused. `scope` is of the scene's route.
 */
export async function assertSlowed(
  t: Test,
  scene: LimitedScene,
  { tenant, scope }: { readonly tenant: string; readonly scope: string },
  attempt: (key: string) => Promise<Finished>,
): Promise<void> {
  await scene.hold()
  const { db, gateway } = scene
  const slowed = `${tenant}-slowed`
  await gateway.must('tenants', 'create', slowed, '--rate', '2:1')
  const finished = await attempt(await gateway.mint({ tenant: slowed, scopes: [scope] }))
  assertDone(t, finished, 'over its rate it is slow, and does not fail')
  await waitForEntries(db, 2, { where: `tenant = '${slowed}'` })
  t.same(await db.query('SELECT status FROM access_log WHERE tenant = $1 AND status = 429', [slowed]), [])
  const metrics = await gateway.metrics()
  t.ok(metrics.sum('waybill_limits_holds_total', { result: 'admitted' }) > 0, 'it was held')
  t.equal(metrics.sum('waybill_limits_held_requests'), 0)
}

/** A key of the right form that never was. */
export const WRONG_KEY = inventedKey(7)

/** The part of a key that names it. */
export function keyId(key: string): string {
  return key.slice(3, 15)
}

/** All that a client printed. */
export function said({ stdout, stderr }: Finished): string {
  return `${stdout}${stderr}`
}

/** Asserts that a client ended well; shows what it printed when it did not. */
export function assertDone(t: Test, finished: Finished, what: string): boolean {
  return t.equal(finished.code, 0, what, { stdout: finished.stdout, stderr: finished.stderr })
}

/** Asserts that a client failed and printed this. */
export function assertRefused(t: Test, finished: Finished, says: RegExp): boolean {
  return t.not(finished.code, 0, 'it fails') && t.match(said(finished), says)
}

/**
 * Asserts that a client fails with a key that never was, and with one that is no more, and prints why, but not the key.
 */
export async function assertKeysRefused(
  t: Test,
  revoked: string,
  attempt: (key: string) => Promise<Finished>,
): Promise<boolean> {
  let isRefused = true
  for (const [key, says] of [
    [WRONG_KEY, /The key that was sent is not valid/],
    [revoked, /has been revoked/],
  ] as const) {
    const refused = await attempt(key)
    isRefused = assertRefused(t, refused, says) && isRefused
    t.notMatch(said(refused), key.slice(16), 'the key is not printed')
  }
  return isRefused
}

/**
 * Asserts that the entries of a tenant name exactly these packages as downloaded (`artifact`) or published (`upload`), in the order of names;
 * waits for them. Of packages whose name is `like` that (a pattern of SQL), where not of all.
 */
export async function assertUsed(
  t: Test,
  db: TestDatabase,
  question: { readonly tenant: string; readonly as: 'artifact' | 'upload'; readonly like?: string },
  expected: readonly Used[],
): Promise<boolean> {
  const where = `tenant = '${question.tenant}' AND artifact_kind = '${question.as}' AND status < 300 AND package LIKE '${question.like ?? '%'}'`
  await waitForEntries(db, expected.length, { where })
  const rows = await db.query(
    `SELECT DISTINCT package, version FROM access_log WHERE ${where} ORDER BY package, version`,
  )
  return t.strictSame(rows, expected, `${question.as}: the packages of ${question.tenant}`)
}

/** Asserts that each request has its one entry, in the gateway's numbers, in the table, and at the server behind. */
export async function assertAllCounted(
  t: Test,
  db: TestDatabase,
  gateways: readonly TestGateway[],
  servers: readonly { readonly seen: readonly unknown[] }[],
): Promise<void> {
  let requests = 0
  for (const gateway of gateways) requests += (await gateway.overview()).requests.total
  await assertAllStored(t, db, gateways, requests)
  const [row] = await db.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM access_log WHERE upstream IS NOT NULL`,
  )
  const seen = servers.reduce((sum, server) => sum + server.seen.length, 0)
  t.equal(row?.n, seen, 'as many entries went upstream as requests arrived there', {
    seen: servers.flatMap((server) => server.seen.map(String)),
  })
}
