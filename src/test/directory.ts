import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { DirectoryRefresher } from '../directory/refresher.ts'
import type { DatabaseTarget } from '../model/database-target.ts'
import type { Follower } from '../store/directory/followers.ts'
import { openDirectorySource } from '../store/directory/postgres-source.ts'
import { closeSql, openControl } from '../store/sql.ts'

const quiet = { debug: () => {}, info: () => {}, warn: () => {} }

/** A follower that is nobody's, on no machine that is known. */
export function testFollower(): Follower {
  return { instance: randomUUID(), host: 'here', processId: process.pid, machine: '', maxAgeMs: 86_400_000 }
}

/** A refresher and a way to wait for its snapshots. */
export function follow(t: Test, to: DatabaseTarget, pollIntervalMs: number) {
  const control = openControl(to)
  const follower = testFollower()
  let check = () => {}
  const refresher = new DirectoryRefresher({
    source: openDirectorySource(to, control, follower),
    options: { pollIntervalMs, reconcileIntervalMs: -1, lastUsedIntervalMs: 60_000, maxAgeMs: 86_400_000 },
    log: quiet,
    onChange: () => check(),
  })
  t.teardown(async () => {
    await refresher.stop()
    await closeSql(control, 0)
  })
  const until = (isReached: () => boolean) =>
    new Promise<void>((resolve) => {
      check = () => {
        if (isReached()) resolve()
      }
      check()
    })
  const isRevoked = (digest: string) => refresher.snapshot?.keyByDigest(digest)?.isRevoked
  return { refresher, until, isRevoked, follower }
}
