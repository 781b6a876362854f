import { sleep } from '../lib/time/sleep.ts'
import type { FollowedTable } from '../store/directory/followers.ts'
import type { ExitCode, Io } from './output/io.ts'
import type { Confirmations, DirectoryPort } from './plane/plane.ts'

/** What `--wait` waits at most unless told: one sign of life of a gateway without notifications, and some. */
export const DEFAULT_WAIT = '15s'
const LOOK_MS = 50

/**
 * Waits until every gateway and worker that serves from a copy of this database's tenants and keys has said that its copy
 * holds the last change of a key, tenant or rule. 1, with a line for each that has not, when the time is over.
 */
export async function awaitFollowers(
  io: Io,
  plane: Pick<DirectoryPort, 'confirmations'>,
  change: { readonly table: FollowedTable; readonly id: string; readonly timeoutMs: number },
): Promise<ExitCode> {
  const startedTick = performance.now()
  for (;;) {
    const found = await plane.confirmations(change.table, change.id)
    if (found === null) return 1
    const { confirmed, waiting } = found
    const waitedMs = performance.now() - startedTick
    if (waiting.length === 0) {
      io.stderr.write(
        confirmed === 0
          ? 'no gateway follows this database; one that starts reads the change first\n'
          : `confirmed by every gateway process that follows this database: ${confirmed}\n`,
      )
      return 0
    }
    if (waitedMs >= change.timeoutMs) {
      for (const follower of waiting) io.stderr.write(`${describe(follower)}\n`)
      io.stderr.write(
        `error: ${waiting.length} of ${confirmed + waiting.length} gateway processes have not confirmed the change within ${change.timeoutMs} ms; ` +
          'they may go on as before until they reach the database\n',
      )
      return 1
    }
    await sleep(Math.min(LOOK_MS, Math.max(1, change.timeoutMs - waitedMs)))
  }
}

function describe({ instance, host, processId, silentMs }: Confirmations['waiting'][number]): string {
  const seconds = (silentMs / 1000).toFixed(1)
  return `not confirmed: ${instance} on ${host}, process ${processId}, last heard of ${seconds} s ago`
}
