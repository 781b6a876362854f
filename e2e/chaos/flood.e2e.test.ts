import t, { type Test } from 'tap'
import { readAudit } from '../harness/audit.ts'
import { assertBalanced } from '../harness/accounting.ts'
import { assertExact, shortOrLong } from '../harness/chaos.ts'
import { lossOf, readAccounts } from '../harness/failure-accounts.ts'
import { burst } from '../harness/failure-wire.ts'
import { inventedKey } from '../harness/invented-key.ts'
import { forwardedScene, refusedRequest, SMALL_CHANNEL } from '../harness/scene.ts'

const TIMES = 100
/** Of the calm tenant; within nine tenths of its half of the smallest channel. */
const CALM = shortOrLong(300, 1500)
const GARBAGE = shortOrLong(10_000, 100_000)
const GARBAGE_READS = 500
/** One request in so many is a read, once all room is taken. */
const GARBAGE_PER_READ = 10
const SILENT = { ...SMALL_CHANNEL, copyTimeoutMs: 1000, backoffMaxMs: 300 }
const NO_SPILL = { maxBytes: 0 }

function read(key: string): string {
  return `GET /files/ok HTTP/1.1\r\nHost: w\r\nX-Api-Key: ${key}\r\n\r\n`
}

/** The books of the tenant acme: all of it stored, and proven. */
async function assertUntouched(t: Test, scene: Awaited<ReturnType<typeof forwardedScene>>, entries: number) {
  const books = { stored: entries, quarantined: 0, dropped: {} }
  t.strictSame((await readAccounts(scene.db)).get('acme'), books, 'nothing of the calm tenant is lost')
  t.equal((await readAudit(scene.gateway, '--tenant', 'acme')).isComplete, true, 'its audit is complete')
}

for (const isSilent of [false, true]) {
  const state = isSilent ? 'silent, no spill and a small channel' : 'healthy'
  t.test(`a tenant at 100 times the rate of another, with the database ${state}`, async (t) => {
    const scene = await forwardedScene(t, {
      config: isSilent ? { accessLog: SILENT, spill: NO_SPILL } : {},
    })
    const { db, gateway, forwarder, key } = scene
    const flood = await gateway.mint({ tenant: 'flood', scopes: ['files:read'] })
    if (isSilent) forwarder.mode = 'swallow'
    const total = CALM * (TIMES + 1)
    // Refusals against successful reads: what is kept longest against what goes first.
    const request = (n: number): string => (n % (TIMES + 1) === 0 ? read(key) : refusedRequest(flood))
    const answers = await burst({ origin: gateway.proxyUrl, request, total })
    t.strictSame(Object.fromEntries(answers), { 200: CALM, 403: CALM * TIMES }, 'all are answered')
    await assertBalanced(t, gateway)
    if (isSilent) {
      const { accessLog } = await gateway.overview()
      t.ok(lossOf(accessLog) > total / 2, 'the flood has lost what was too much', accessLog)
    }
    forwarder.mode = 'forward'
    await assertExact(t, scene, { forwarded: CALM, refused: CALM * TIMES }, { canDrop: isSilent })
    await assertUntouched(t, scene, CALM)
    const books = (await readAccounts(db)).get('flood')
    t.equal(
      (books?.stored ?? 0) + lossOf(books ?? { dropped: {} }),
      CALM * TIMES,
      'the other lost only its own',
    )
  })
}

t.test('garbage keys by the thousand, the database silent: they displace nobody', async (t) => {
  const auth = { failuresPerMinute: 0 }
  const scene = await forwardedScene(t, { config: { accessLog: SILENT, spill: NO_SPILL, auth } })
  const { gateway, forwarder, key } = scene
  forwarder.mode = 'swallow'
  // The garbage first: all room is taken when the tenant comes. Half of it could be keys, the other half could not.
  const garbage = (n: number): string => {
    const presented = n % 2 === 0 ? inventedKey(n) : `${inventedKey(n).slice(0, -1)}!`
    return `GET /files/ok HTTP/1.1\r\nHost: w\r\nX-Api-Key: ${presented}\r\n\r\n`
  }
  const first = await burst({ origin: gateway.proxyUrl, request: garbage, total: GARBAGE })
  const { accessLog } = await gateway.overview()
  t.ok(lossOf(accessLog) > 0, 'the channel is full', accessLog)
  const mixed = (n: number): string => (n % GARBAGE_PER_READ === 0 ? read(key) : garbage(n))
  const total = GARBAGE_READS * GARBAGE_PER_READ
  const second = await burst({ origin: gateway.proxyUrl, request: mixed, total })
  t.strictSame([...first], [[401, GARBAGE]], 'all garbage is refused')
  t.equal(second.get(200), GARBAGE_READS, 'the tenant with a key goes on')
  // After some seconds without the database a key that nobody knows may be valid: 503.
  const garbageRefused = (second.get(401) ?? 0) + (second.get(503) ?? 0)
  t.equal(garbageRefused, total - GARBAGE_READS, 'and all garbage is refused')
  await assertBalanced(t, gateway)
  forwarder.mode = 'forward'
  const refused = GARBAGE + total - GARBAGE_READS
  await assertExact(t, scene, { forwarded: GARBAGE_READS, refused }, { canDrop: true })
  await assertUntouched(t, scene, GARBAGE_READS)
})
