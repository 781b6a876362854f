import type { Test } from 'tap'
import { assertBalanced, assertLedger } from './accounting.ts'
import { readAudit, type AuditGap } from './audit.ts'
import { hasEnded } from './child.ts'
import { lossOf, untilAccounted } from './failure-accounts.ts'
import type { LoadResult } from './load.ts'
import type { Scene } from './scene.ts'
import { spillFiles } from './spill.ts'
import { untilTrue } from './wait.ts'

/** Longest wait for everything to be in its place after the fault is over. */
const SETTLE_TIMEOUT_MS = 45_000

/** Of two values the one for the form in which the scenarios run: WAYBILL_CHAOS=long asks for the long one. */
export function shortOrLong(short: number, long: number): number {
  return process.env['WAYBILL_CHAOS'] === 'long' ? long : short
}

/** Resolves when so many milliseconds have passed since a tick of `performance.now()`: how long a fault lasts. */
export async function untilPassed(ms: number, sinceTick: number): Promise<void> {
  await untilTrue(`${ms} ms have passed`, () => performance.now() - sinceTick >= ms, { timeoutMs: ms + 5000 })
}

/** Requests as counted by those who sent them. */
export interface Answers {
  /** Answered by the upstream, which counts them too. */
  readonly forwarded: number
  /** Answered by the gateway itself. */
  readonly refused?: number
}

/** What may be said of entries that are not stored; nothing unless given. */
export interface Losses {
  /** So many are in quarantine. */
  readonly quarantined?: number
  /** Entries may be dropped, each of them counted. */
  readonly canDrop?: boolean
  /** With a journal the spill's folder stays in use. */
  readonly isJournal?: boolean
}

/** Asserts that every request of a load was answered 200 and none failed. */
export function assertServed(t: Test, { answered, byStatus, failed }: LoadResult): void {
  t.strictSame([...byStatus], [[200, answered]], 'clients notice nothing')
  t.strictSame([...failed], [], 'no request fails')
}

/**
 * Closes the books of a scene of which no gateway was killed: the requests as counted by those who sent them, and by the upstream, are
 * stored + quarantined + dropped as told by a deep audit, to the entry; nothing is stored twice; law 3 holds in the live numbers and
 * from SQL alone; the disk is left empty; the gateway stops cleanly.
 */
export async function assertExact(
  t: Test,
  scene: Scene,
  { forwarded, refused = 0 }: Answers,
  { quarantined = 0, canDrop = false, isJournal = false }: Losses = {},
): Promise<void> {
  const { db, upstream, gateway } = scene
  const total = forwarded + refused
  t.equal(upstream.requests, forwarded, 'the upstream counts what the load generator counts')
  const accounts = await untilAccounted(db, total, SETTLE_TIMEOUT_MS)
  t.comment(`${total} requests: ${JSON.stringify(Object.fromEntries(accounts))}`)
  await untilSpillIsEmpty(scene, isJournal)
  if (!hasEnded(gateway.child)) await assertBalanced(t, gateway)
  await assertLedger(t, db)
  t.equal(await gateway.stop(), 0, 'the gateway stops cleanly')
  const report = await readAudit(gateway, '--deep')
  const { accepted, stored, dropped } = report.total
  t.equal(accepted, total, 'the audit counts the same')
  t.equal(stored + report.total.quarantined + lossOf(report.total), total, 'stored + quarantined + dropped')
  t.equal(report.total.quarantined, quarantined, 'in quarantine')
  if (!canDrop) t.strictSame(dropped, {}, 'nothing is dropped')
  t.equal(report.waiting, 0, 'nothing is on its way')
  const told = [...(quarantined > 0 ? ['quarantined'] : []), ...(canDrop ? ['dropped'] : [])]
  t.strictSame(untold(report.gaps, told), [], 'the audit finds nothing else')
  t.equal(report.isComplete, lossOf(report.total) + quarantined === 0, 'and says so')
}

/** Those gaps that are not of the kinds expected. */
export function untold(gaps: readonly AuditGap[], kinds: readonly string[]): string[] {
  return gaps.filter(({ kind }) => !kinds.includes(kind)).map(({ kind, line }) => `${kind}: ${line}`)
}

/** Waits until nothing is on disk; with a journal the folder stays in use, without one nothing is left of it. */
export async function untilSpillIsEmpty(
  { gateway }: Pick<Scene, 'gateway'>,
  isJournal = false,
): Promise<void> {
  let left: string[] = []
  const look = async (): Promise<boolean> => {
    const files = await spillFiles(gateway)
    left = isJournal ? files.filter((path) => path.endsWith('.seg')) : files
    return left.length === 0
  }
  const describe = (): unknown => left
  await untilTrue('the spill directory is empty', look, { timeoutMs: SETTLE_TIMEOUT_MS, describe })
}
