import type { Test } from 'tap'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import { startGateway, type GatewayConfig, type TestGateway } from '../../harness/gateway.ts'

/** What the tests of one ecosystem share. */
export interface Scene {
  readonly db: TestDatabase
  readonly gateway: TestGateway
}

/** The keys of a route, of which its name and path follow from its kind unless given. */
export type SceneRoute = Readonly<Record<string, unknown>> & {
  readonly kind: string
  readonly upstream: string
}

/** A gateway with one route that leads to a server, and a database of its own. `config` goes over the gateway's. */
export async function startScene(t: Test, route: SceneRoute, config: GatewayConfig = {}): Promise<Scene> {
  const db = await testDatabase(t)
  const routes = [{ name: route.kind, path: `/${route.kind}/`, ...route }]
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: { routes, accessLog: { flushIntervalMs: 100 }, ...config },
  })
  return { db, gateway }
}
