import type { Test } from 'tap'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { startLoad } from '../harness/load.ts'
import { startUpstream } from '../harness/upstream.ts'
import { untilTrue } from '../harness/wait.ts'

/** A gateway with two tenants and requests that ended in every way that a console shows. */
export interface ConsoleScene {
  readonly db: TestDatabase
  readonly gateway: TestGateway
  readonly keys: { readonly acme: string; readonly globex: string }
}

export async function consoleScene(
  t: Test,
  admin: Readonly<Record<string, unknown>> = {},
): Promise<ConsoleScene> {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    env: { WAYBILL_ACCESS_LOG_CANARY_INTERVAL_MS: '1000' },
    config: {
      admin: { host: '127.0.0.1', port: 0, ...admin },
      accessLog: { flushIntervalMs: 50 },
      routes: [
        { name: 'npm', kind: 'npm', path: '/npm/', upstream: upstream.url, holdMs: 0 },
        { name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url },
        { name: 'broken', kind: 'generic', path: '/broken/', upstream: 'http://127.0.0.1:9' },
      ],
    },
  })
  await gateway.must('tenants', 'create', 'acme')
  await gateway.must('tenants', 'create', 'globex', '--rate', '1')
  const minted = async (tenant: string): Promise<string> =>
    gateway.must('keys', 'mint', '--tenant', tenant, '--name', `${tenant}-ci`, '--scope', '*:*')
  return { db, gateway, keys: { acme: await minted('acme'), globex: await minted('globex') } }
}

/** Sends requests, waits until each has its entry in the table. */
export async function traffic({ gateway, keys }: ConsoleScene): Promise<void> {
  const send = async (
    path: string,
    key: string | null,
    headers: Record<string, string> = {},
  ): Promise<void> => {
    const response = await fetch(`${gateway.proxyUrl}${path}`, {
      headers: {
        connection: 'close',
        ...headers,
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      },
    })
    await response.arrayBuffer()
  }
  await untilTrue('the gateway knows the keys', async () => {
    const response = await fetch(`${gateway.proxyUrl}/files/ok`, {
      headers: { authorization: `Bearer ${keys.globex}` },
    })
    await response.arrayBuffer()
    return response.status !== 401
  })
  for (let i = 0; i < 12; i++) await send('/files/ok', keys.acme, { 'user-agent': `client/${i}` })
  await send('/npm/left-pad/-/left-pad-1.3.0.tgz', keys.acme)
  for (let i = 0; i < 5; i++) await send('/files/ok', keys.globex)
  await send('/broken/x', keys.acme)
  await send('/files/ok', null)
  await send('/nowhere', keys.acme)
  await untilTrue('every entry is in the table', async () => {
    const { accessLog: log, requests } = await gateway.overview()
    return log.stored >= requests.total && log.stored === log.accepted
  })
}

/** Requests that are sent at the same time. */
const AT_ONCE = 40

/** Sends so many requests of a tenant, as fast as they are answered. */
export async function sendMany(
  { gateway, keys }: ConsoleScene,
  {
    n,
    path,
    tenant = 'acme',
  }: { readonly n: number; readonly path: string; readonly tenant?: 'acme' | 'globex' },
): Promise<void> {
  const { answered, failed } = await startLoad({
    url: () => gateway.proxyUrl + path,
    headers: { authorization: `Bearer ${keys[tenant]}` },
    concurrency: AT_ONCE,
    total: n,
  }).done
  if (answered < n) throw new Error(`of ${n} requests ${answered} were answered: ${[...failed].join(' ')}`)
}
