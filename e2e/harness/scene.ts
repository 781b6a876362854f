import type { Test } from 'tap'
import { testDatabase, type TestDatabase } from './database.ts'
import { startForwarder, type Forwarder } from './failure-forwarder.ts'
import { embeddedServer, type EmbeddedServer } from './failure-postgres.ts'
import { startGateway, type GatewayConfig, type GatewayOptions, type TestGateway } from './gateway.ts'
import { startLoad, type Load } from './load.ts'
import { restorableServer, type RestorableServer } from './restorable-server.ts'
import { twoServers, type TwoServers } from './two-servers.ts'
import { startUpstream, type TestUpstream } from './upstream.ts'

/** Connections of a load. */
export const CONNECTIONS = 8

/** The smallest channel there is. */
export const SMALL_CHANNEL = { capacityEntries: 4096 }

/** Notices what is wrong, and tries again, sooner than by default: a test has less time than an operator. */
export const FAST = { flushIntervalMs: 50, copyTimeoutMs: 1000, backoffMaxMs: 200 }

/** What a test that breaks things begins with: a gateway, its database, its upstream, and a key. */
export interface Scene {
  readonly db: TestDatabase
  readonly upstream: TestUpstream
  /** Routes: `/files/`, `/other/`, and `/open/` without a key. */
  readonly gateway: TestGateway
  /** Of the tenant acme, to read `/files/`. */
  readonly key: string
  /** Starts another gateway in the same folder, on the same database, with the same configuration. */
  readonly next: (options?: Pick<GatewayOptions, 'shallNotWait'>) => Promise<TestGateway>
}

export interface SceneOptions {
  /** Besides the routes. */
  readonly config?: GatewayConfig
  /** Working directory of the gateways; an own one otherwise. */
  readonly cwd?: string
  readonly wrapper?: readonly string[]
}

/** A scene on the shared server, its gateway connected directly. */
export async function directScene(t: Test, options: SceneOptions = {}): Promise<Scene> {
  const db = await testDatabase(t)
  return { ...(await stage(t, options, db.url)), db }
}

/** A scene on the shared server, its gateway connected through a forwarder with faults. */
export async function forwardedScene(
  t: Test,
  options: SceneOptions = {},
): Promise<Scene & { readonly forwarder: Forwarder }> {
  const db = await testDatabase(t)
  const forwarder = await startForwarder(t, db)
  await forwarder.open()
  return { ...(await stage(t, options, forwarder.url)), db, forwarder }
}

/** A scene whose gateway embeds its PostgreSQL: one that can be frozen and killed. */
export async function embeddedScene(
  t: Test,
  options: SceneOptions = {},
): Promise<Scene & { readonly db: EmbeddedServer }> {
  const staged = await stage(t, options)
  return { ...staged, db: await embeddedServer(t, staged.gateway) }
}

/** A scene on two servers of its own, its gateway behind the address that a failover lets lead to the other one. */
export async function twoServerScene(
  t: Test,
  options: SceneOptions = {},
): Promise<Scene & { readonly db: TwoServers }> {
  const db = await twoServers(t)
  return { ...(await stage(t, options, db.url)), db }
}

/** A scene on a server of its own, of which a backup can be put back. */
export async function restorableScene(
  t: Test,
  options: SceneOptions = {},
): Promise<Staged & { readonly db: RestorableServer }> {
  const db = await restorableServer(t)
  return { ...(await stage(t, options, db.url)), db }
}

/** Starts a load of reads of `/files/ok`, stopped on teardown. */
export function loadOf(t: Test, gateway: TestGateway, key: string, perSecond: number): Load {
  const running = startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: CONNECTIONS,
    perSecond,
  })
  t.teardown(() => running.stop())
  return running
}

/** A request, to be sent as it is, that is refused for want of a scope: an entry of the tenant at a rate that no upstream limits. */
export function refusedRequest(key: string, query = ''): string {
  return `GET /other/x${query} HTTP/1.1\r\nHost: w\r\nX-Api-Key: ${key}\r\n\r\n`
}

interface Staged extends Omit<Scene, 'db'> {
  /** Starts another gateway in a folder of its own, else the same. */
  readonly beside: () => Promise<TestGateway>
}

async function stage(t: Test, options: SceneOptions, databaseUrl?: string): Promise<Staged> {
  const upstream = await startUpstream(t)
  const { config, ...place } = options
  const all: GatewayOptions = {
    ...place,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    config: { routes: routesTo(upstream.url), ...config },
  }
  const gateway = await startGateway(t, all)
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const next: Scene['next'] = (more) => startGateway(t, { ...all, ...more, cwd: gateway.cwd })
  const beside: Staged['beside'] = () => startGateway(t, all)
  return { upstream, gateway, key, next, beside }
}

function routesTo(upstream: string): readonly unknown[] {
  return [
    { name: 'files', kind: 'generic', path: '/files/', upstream },
    { name: 'other', kind: 'generic', path: '/other/', upstream },
    { name: 'open', kind: 'generic', path: '/open/', upstream, auth: 'public' },
  ]
}
