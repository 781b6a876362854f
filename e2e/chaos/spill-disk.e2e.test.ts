import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readAudit } from '../harness/audit.ts'
import { assertBalanced } from '../harness/accounting.ts'
import { assertExact, assertServed, shortOrLong } from '../harness/chaos.ts'
import { lossOf, readAccounts } from '../harness/failure-accounts.ts'
import { burst } from '../harness/failure-wire.ts'
import { testFolder } from '../harness/product.ts'
import { forwardedScene, loadOf, refusedRequest, SMALL_CHANNEL, type Scene } from '../harness/scene.ts'
import type { Forwarder } from '../harness/failure-forwarder.ts'
import { mountSmallDisk } from '../harness/small-disk.ts'
import { untilTrue } from '../harness/wait.ts'

const DISK_BYTES = 4 * 1024 ** 2
/** `ulimit -f` counts in blocks of this size (POSIX). */
const BLOCK_BYTES = 512
/** Makes an entry large: the disk takes some thousand of them. */
const LONG_QUERY = `?${'q'.repeat(1900)}`
const TOTAL = shortOrLong(20_000, 200_000)

/**
 * Notices soon that nothing answers. Batches are a tenth of the disk, however slow the machine is: one that is larger than the disk
 * would leave it empty.
 */
const SILENT = { ...SMALL_CHANNEL, copyTimeoutMs: 1000, backoffMaxMs: 300, maxBatchBytes: 400 * 1024 }

/** Floods a gateway whose database is silent until its disk refuses, and twice as much again. Returns how many were answered. */
async function overflow({ gateway, key }: Scene, other: string, forwarder: Forwarder): Promise<number> {
  forwarder.mode = 'swallow'
  const request = (n: number): string => refusedRequest(n % 2 === 0 ? key : other, LONG_QUERY)
  const flood = async (): Promise<number> =>
    (await burst({ origin: gateway.proxyUrl, request, total: TOTAL / 2 })).get(403) ?? 0
  const first = await flood()
  await untilTrue('the disk refuses', async () => {
    return (await gateway.metrics()).sum('waybill_spill_refused_total') > 0
  })
  return first + (await flood())
}

t.test('a spill on a disk of 4 MB: when that is full requests go on, each drop is counted', async (t) => {
  const cwd = await testFolder(t)
  const spill = join(cwd, '.waybill', 'spill')
  await mkdir(spill, { recursive: true })
  const problem = await mountSmallDisk(t, spill, DISK_BYTES)
  // Without root: no file may become longer, which refuses a write as a full disk does.
  const limit = ['sh', '-c', `ulimit -f ${DISK_BYTES / BLOCK_BYTES} && exec "$0" "$@"`]
  if (problem !== '') t.comment(`no small disk here (${problem}): instead ulimit -f refuses what is too much`)
  const scene = await forwardedScene(t, {
    cwd,
    config: { accessLog: SILENT, metrics: { tenantLabels: 10 } },
    ...(problem === '' ? {} : { wrapper: limit }),
  })
  const { gateway, forwarder } = scene
  const other = await gateway.mint({ tenant: 'globex', scopes: ['files:read'] })
  const reads = loadOf(t, gateway, scene.key, 50)
  const refused = await overflow(scene, other, forwarder)
  t.equal(refused, TOTAL, 'every request is answered')
  const refusal = await gateway.waitForLog(
    'the disk refuses',
    ({ code }) => code === 'ENOSPC' || code === 'EFBIG',
  )
  t.equal(refusal['code'], problem === '' ? 'ENOSPC' : 'EFBIG', 'the log says why')
  const { accessLog } = await gateway.overview()
  t.ok(accessLog.spilled > 500, 'the disk holds what it can', accessLog)
  t.ok(lossOf(accessLog) > 0, 'the rest is dropped')
  await assertBalanced(t, gateway)
  forwarder.mode = 'forward'
  await untilTrue('entries are stored again', async () => (await gateway.overview()).accessLog.stored > 0)
  reads.stop()
  const result = await reads.done
  assertServed(t, result)
  await assertExact(t, scene, { forwarded: result.answered, refused }, { canDrop: true })
})

t.test('a spill at its bound: each drop is counted by tenant, in metrics, ledger and audit', async (t) => {
  const scene = await forwardedScene(t, {
    config: {
      // Batches of which some fit.
      accessLog: { ...SILENT, maxBatchBytes: '128KiB' },
      spill: { maxBytes: '1MiB' },
      metrics: { tenantLabels: 10 },
    },
  })
  const { db, gateway, forwarder } = scene
  const other = await gateway.mint({ tenant: 'globex', scopes: ['files:read'] })
  const refused = await overflow(scene, other, forwarder)
  t.equal(refused, TOTAL, 'every request is answered')
  const { accessLog } = await gateway.overview()
  t.ok(accessLog.spilled > 0 && accessLog.spilled < 4096, 'the bound holds', accessLog)
  t.ok(lossOf(accessLog) > 0, 'entries are dropped')
  t.equal(accessLog.accepted, TOTAL)
  await assertBalanced(t, gateway)
  const metrics = await gateway.metrics()
  t.ok(metrics.sum('waybill_spill_bytes') <= 1024 ** 2, 'no more bytes on disk than allowed')
  forwarder.mode = 'forward'
  await assertExact(t, scene, { forwarded: 0, refused }, { canDrop: true })
  const accounts = await readAccounts(db)
  const { gaps } = await readAudit(gateway)
  for (const tenant of ['acme', 'globex']) {
    const account = accounts.get(tenant)
    const dropped = account?.dropped['channel_full'] ?? 0
    const books = { stored: TOTAL / 2 - dropped, quarantined: 0, dropped: { channel_full: dropped } }
    t.strictSame(account, books, `${tenant}: dropped with its reason`)
    t.equal(metrics.sum('waybill_tenant_dropped_total', { tenant }), dropped, 'as the metrics say')
    t.match(
      gaps.find((gap) => gap.tenant === tenant),
      { kind: 'dropped', entries: dropped },
      'and the audit',
    )
  }
})
