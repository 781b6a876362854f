import type { Test } from 'tap'
import { waitForEntries } from '../../harness/accounting.ts'
import type { Finished } from '../../harness/child.ts'
import type { Fault } from './fault.ts'
import type { Report } from './report.ts'
import type { Scene } from './scene.ts'
import { assertRefused, keyId, said } from './trial.ts'

/** Of a large file, what passes before its key is revoked: more than what lies in buffers on the way. */
const PART_BYTES = 1_000_000

/** A client that downloads a large file with a key of its own. */
export interface Download {
  readonly key: string
  /** Has something happen to the answer that holds the file. */
  readonly strike: (fault: Fault) => Promise<void>
  readonly attempt: () => Promise<Finished>
  /** What the client prints of the broken download. */
  readonly says: RegExp
  /** What it prints when it is run again, if not the gateway's sentence. */
  readonly saysAgain?: RegExp
}

/**
 * Asserts that a download ends when its key is revoked: the client fails with what it says, the entry names the reason and holds what was
 * sent, and the next attempt is refused. Notes what the client printed.
 */
export async function assertEndsWithKey(
  t: Test,
  { db, gateway }: Scene,
  report: Report,
  { key, strike, attempt, says, saysAgain = /has been revoked/ }: Download,
): Promise<void> {
  let release = (): void => {}
  const reached = strike({
    afterBytes: PART_BYTES,
    ending: new Promise<void>((resolve) => (release = resolve)),
  })
  const running = attempt()
  await Promise.race([reached, running])
  await gateway.must('keys', 'revoke', keyId(key), '--wait')
  const ended = await running
  release()
  const isTold = assertRefused(t, ended, says)
  const cut = `key_id = '${keyId(key)}' AND reason = 'revoked_key' AND status IN (200, 206)`
  await waitForEntries(db, 1, { where: cut })
  const rows = await db.query<{ n: number; bytes: string }>(
    `SELECT count(*)::int AS n, sum(bytes_sent) AS bytes FROM access_log WHERE ${cut}`,
  )
  t.equal(rows[0]?.n, 1, 'one entry says that its key was revoked')
  t.ok(Number(rows[0]?.bytes) > 0, 'and what was sent before', { rows })
  const again = await attempt()
  assertRefused(t, again, saysAgain)
  t.notMatch(said(ended) + said(again), key.slice(16), 'the key is not printed')
  if (!isTold) return
  // Without what is another with each run.
  const words = (says.exec(said(ended))?.[0] ?? '').replaceAll(keyId(key), '…').replaceAll(/\d{4,}/g, '…')
  report.note('revoked', words.replaceAll(/\s+/g, ' '))
}
