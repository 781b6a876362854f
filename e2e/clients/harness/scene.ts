import type { Test } from 'tap'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { startGateway, writeConfig, type GatewayConfig, type TestGateway } from '../../harness/gateway.ts'

/** What the tests of one ecosystem share. */
export interface Scene {
  readonly db: TestDatabase
  readonly gateway: TestGateway
}

/** A scene whose gateway refuses at once what is over a limit, until it is told otherwise. */
export interface LimitedScene extends Scene {
  /** From now on requests over a limit are held as long as the route's kind has it. */
  hold(): Promise<void>
}

/** The keys of a route, of which its name and path follow from its kind unless given. */
export type SceneRoute = Readonly<Record<string, unknown>> & {
  readonly kind: string
  readonly upstream: string
}

/** A gateway with one route that leads to a server, and a database of its own. `config` goes over the gateway's. */
export async function startScene(
  t: Test,
  route: SceneRoute,
  config: GatewayConfig = {},
): Promise<LimitedScene> {
  const db = await testDatabase(t)
  const usual = { name: route.kind, path: `/${route.kind}/`, ...route }
  const all = { accessLog: { flushIntervalMs: 100 }, ...config }
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: { ...all, routes: [{ holdMs: 0, ...usual }] },
  })
  let isHolding = false
  const hold = async (): Promise<void> => {
    if (isHolding) return
    isHolding = true
    const from = gateway.log.length
    await writeConfig(gateway.configFile, { ...all, routes: [usual] })
    await gateway.waitForLog('the reload', ({ msg }) => msg === 'configuration reloaded', { from })
  }
  return { db, gateway, hold }
}
