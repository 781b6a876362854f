import { relative, join } from 'node:path'
import type { Writable } from 'node:stream'
import type { Config } from '../config/config.ts'
import type { Options } from '../config/options.ts'
import { startSamples, type Samples } from '../embedded/samples/samples.ts'
import { systemClock } from '../lib/time/clock.ts'
import { until } from '../lib/time/sleep.ts'
import { mintAdminToken } from '../model/admin/admin-token.ts'
import { mintKey } from '../model/api-key.ts'
import type { TenantChanges } from '../model/tenant-settings.ts'
import type { DatabaseTarget } from '../model/database-target.ts'
import { routeOf } from '../config/routes.ts'
import type { Route } from '../model/route.ts'
import { StoreError } from '../store/errors.ts'
import { insertAdminToken } from '../store/access/admin-tokens.ts'
import { insertKey } from '../store/directory/keys.ts'
import { closeSql, openControl, type Sql } from '../store/sql.ts'
import { createTenant } from '../store/directory/tenants.ts'
import { projectFolder } from '../version.ts'
import { gatewayActor } from './control-plane/retention-upkeep.ts'
import { startTraffic } from './demo-traffic.ts'
import type { Addresses } from './running-gateway.ts'

const DEMO_TENANT = 'demo'
/** Of the demo's own traffic: it asks for more than it may. */
const LIMITED_TENANT = 'demo-limited'
const LIMITED_RATE = { perSecond: 1, burst: 1 }
const KEY_LIFE_MS = 7 * 86_400_000
/** Of the token by which the console changes things. */
const TOKEN_LIFE_MS = 86_400_000
/** A new key is known to a gateway within its poll interval; this is for a slow machine. */
const KEY_KNOWN_TIMEOUT_MS = 10_000

/** Tells whether the data plane knows a key yet. */
interface KeyKnower {
  knowsKey(digest: string): boolean | Promise<boolean>
}

/** The sample upstreams, running, and the configuration that routes to them. */
export interface Demo {
  readonly config: Config
  /** The demo's configuration over a file's, for reloads. */
  configOf(config: Config): Config
  /** Makes the tenant `demo` and a key for it, waits until the gateway knows the key, and prints what to copy. */
  announce(
    parts: { gateway: KeyKnower; target: DatabaseTarget; config: Config },
    addresses: Addresses,
    stdout: Writable,
  ): Promise<void>
  close(): Promise<void>
}

/**
 * Starts the sample upstreams. Unless told otherwise the demo listens on loopback (docs/decisions/0071) and is one
 * process, so that it starts in a second.
 */
export async function prepareDemo(
  fileConfig: Config,
  { hasTraffic }: { readonly hasTraffic: boolean },
): Promise<Demo> {
  const samples = await startSamples()
  const configOf = (config: Config): Config => {
    const isHostGiven = config.sources['listen.host'] !== 'default'
    const isCountGiven = config.sources.workers !== 'default'
    const options: Options = {
      ...config.options,
      ...(isHostGiven ? {} : { 'listen.host': '127.0.0.1' }),
      ...(isCountGiven ? {} : { workers: 1 }),
      // What it prints to try is for plain HTTP.
      'listen.tls': [],
    }
    return { ...config, options, routes: [...demoRoutes(samples), ...config.routes] }
  }
  let stopTraffic = (): void => {}
  const announce: Demo['announce'] = async (parts, addresses, stdout) => {
    const stop = await begin(parts, { addresses, stdout, hasTraffic })
    stopTraffic = stop
  }
  const close: Demo['close'] = async () => {
    stopTraffic()
    await samples.close()
  }
  return { config: configOf(fileConfig), configOf, announce, close }
}

function demoRoutes(samples: Samples): Route[] {
  return [
    routeOf({ name: 'npm', kind: 'npm', path: '/npm/', upstream: samples.npmUrl }),
    routeOf({ name: 'files', kind: 'generic', path: '/files/', upstream: samples.filesUrl }),
    routeOf({ name: 'hooks', kind: 'integration', path: '/hooks/', upstream: samples.echoUrl }),
  ]
}

interface Beginning {
  readonly addresses: Addresses
  readonly stdout: Writable
  readonly hasTraffic: boolean
}

/** Makes tenants and keys, prints what to copy, and begins to send where that is wanted; the result ends it. */
async function begin(
  { gateway, target, config }: Parameters<Demo['announce']>[0],
  { addresses, stdout, hasTraffic }: Beginning,
): Promise<() => void> {
  const key = mintKey()
  const limited = mintKey()
  const token = mintAdminToken()
  const actor = gatewayActor('waybill demo')
  const sql = openControl(target, { applicationName: 'waybill demo', max: 1, actor })
  try {
    await insertTenant(sql, DEMO_TENANT, {})
    const expiresAt = new Date(Date.now() + KEY_LIFE_MS)
    const rest = { name: 'demo', scopes: ['*:*'], allowNetworks: [], rateLimit: null, expiresAt }
    await insertKey(sql, { id: key.id, digest: key.digest, tenant: DEMO_TENANT, ...rest })
    if (hasTraffic) {
      await insertTenant(sql, LIMITED_TENANT, { rateLimit: LIMITED_RATE })
      await insertKey(sql, { id: limited.id, digest: limited.digest, tenant: LIMITED_TENANT, ...rest })
    }
    await insertAdminToken(sql, {
      id: token.id,
      digest: token.digest,
      name: 'demo',
      role: 'admin',
      tenant: null,
      expiresAt: new Date(Date.now() + TOKEN_LIFE_MS),
    })
  } finally {
    await closeSql(sql, 1000)
  }
  await until(() => gateway.knowsKey((hasTraffic ? limited : key).digest), {
    everyMs: 10,
    ms: KEY_KNOWN_TIMEOUT_MS,
  })
  stdout.write(instructions({ key: key.text, token: token.text }, addresses, config))
  if (!hasTraffic) return () => {}
  return startTraffic(originOf(addresses.proxy), { demo: key.text, limited: limited.text }, systemClock)
}

async function insertTenant(sql: Sql, slug: string, settings: TenantChanges): Promise<void> {
  await createTenant(sql, slug, settings).catch((error: unknown) => {
    if (!(error instanceof StoreError) || error.code !== 'tenant_exists') throw error
  })
}

/** Each line can be pasted where the program was started, a checkout of Waybill included, and leaves nothing there. */
function instructions(
  { key, token }: { readonly key: string; readonly token: string },
  addresses: Addresses,
  config: Config,
): string {
  const origin = originOf(addresses.proxy)
  const bare = origin.slice('http:'.length)
  const command = `node ${relative('.', join(projectFolder(), 'dist/main.js'))}`
  const stateDir = config.sources.stateDir === 'flag' ? ` --state-dir ${config.options.stateDir}` : ''
  return `
Waybill is running. Its sample upstreams need no network. To copy and paste:

  export KEY=${key}

  curl -H "Authorization: Bearer $KEY" ${origin}/files/hello.txt
  curl -H "Authorization: Bearer $KEY" -d '{"hello":"world"}' ${origin}/hooks/build
  npm --prefix "$(mktemp -d)" install waybill-hello --registry ${origin}/npm/ --${bare}/npm/:_authToken=$KEY

  ${command} logs${stateDir}
  ${command} logs --follow${stateDir}
  ${command} usage${stateDir}

  console    ${originOf(addresses.admin)}/
             sign in with ${token} to change things
  metrics    ${originOf(addresses.admin)}/metrics

Ctrl-C stops it; the data stay in ${config.options.stateDir}/.
`
}

function originOf({ host, port }: { host: string; port: number }): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${port}`
}
