import type { Test } from 'tap'
import type { TestDatabase } from './database.ts'
import { startGateway, type GatewayConfig, type TestGateway, type WorkerLine } from './gateway.ts'
import { startLoad, type Load } from './load.ts'
import type { TestUpstream } from './upstream.ts'
import { until, untilTrue } from './wait.ts'
import { isAlive } from './process.ts'

/** Starts a gateway of so many workers with one route, `files`, and waits until all are ready. */
export async function startWorkers(
  t: Test,
  parts: { db: TestDatabase; upstream: TestUpstream; workers: number; config?: GatewayConfig; cwd?: string },
): Promise<TestGateway> {
  const routes = [{ name: 'files', kind: 'generic', path: '/files/', upstream: parts.upstream.url }]
  const config = { workers: parts.workers, routes, ...parts.config }
  const place = parts.cwd === undefined ? {} : { cwd: parts.cwd }
  const gateway = await startGateway(t, { databaseUrl: parts.db.url, config, ...place })
  if (parts.workers > 1) await untilServing(gateway, parts.workers)
  return gateway
}

/** The gateway's workers, as it tells. */
export async function workersOf(gateway: TestGateway): Promise<readonly WorkerLine[]> {
  return (await gateway.overview()).workers ?? []
}

/** Waits until exactly so many workers live, and all of them are ready; returns them. */
export async function untilServing(
  gateway: TestGateway,
  count: number,
  timeoutMs = 20_000,
): Promise<readonly WorkerLine[]> {
  let last: readonly WorkerLine[] = []
  return until(
    `${count} workers are ready`,
    async () => {
      last = await workersOf(gateway)
      const isSo = last.length === count && last.every(({ state, isReady }) => state === 'serving' && isReady)
      return isSo ? last : undefined
    },
    { timeoutMs, describe: () => last },
  )
}

/** A load of one request at a time on one keep-alive connection, told by its User-Agent in the entries. */
export interface Caller {
  readonly name: string
  readonly load: Load
}

/** Starts so many callers, stopped on teardown. */
export function startCallers(
  t: Test,
  parts: { gateway: TestGateway; key: string; count: number; perSecond: number },
): Caller[] {
  return Array.from({ length: parts.count }, (_, i) => {
    const name = `caller-${i}`
    const load = startLoad({
      url: () => `${parts.gateway.proxyUrl}/files/ok`,
      headers: { authorization: `Bearer ${parts.key}`, 'user-agent': name },
      concurrency: 1,
      perSecond: parts.perSecond,
    })
    t.teardown(() => load.stop())
    return { name, load }
  })
}

/** Waits until processes are gone. */
export async function untilEnded(pids: readonly number[], timeoutMs = 15_000): Promise<void> {
  await untilTrue('the processes are gone', () => pids.every((pid) => !isAlive(pid)), {
    timeoutMs,
    describe: () => pids.filter(isAlive),
  })
}
