import { routeOf } from '../config/routes.ts'
import type { Test } from 'tap'
import type { FailureLimit } from '../limits/auth-failures.ts'
import { Limiter } from '../limits/limiter.ts'
import type { AccessEntry, EntrySink, Report } from '../model/access-entry.ts'
import { mintKey, type MintedKey } from '../model/api-key.ts'
import type { CallBook } from '../model/idempotency/kept-calls.ts'
import type { Directory, KeyGrant, Snapshot, TenantGrant } from '../model/grant.ts'
import { compileNetworks } from '../model/network.ts'
import type { SigningKey } from '../model/token/signing-key.ts'
import type { Route } from '../model/route.ts'
import { compileScopes } from '../model/scope.ts'
import type { Interceptor } from '../upstream/dispatcher.ts'
import { UpstreamPools } from '../upstream/pools.ts'
import { RouteChains } from '../upstream/route-chains.ts'
import type { TrustPolicy } from '../proxy/headers/client-view.ts'
import { Handler, NO_SETTINGS, type HandlerSettings } from '../proxy/handler.ts'
import type { PoolOptions } from '../upstream/origin-pool.ts'
import { ProxyListener, type ListenerOptions } from '../listener/listener.ts'
import type { HeadBounds } from '../http/request-head.ts'
import { EMPTY_RULES } from '../directory/rule-shards.ts'
import type { RuleBook } from '../model/rules/rule-book.ts'
import { RouteTable } from '../proxy/routing/route-table.ts'
import { ProxyCounters } from '../proxy/stats.ts'
import { keyOf, tenantOf } from './grants.ts'
import { RawUpstream, dial, until, type Wire } from './wire.ts'

/** What an entry must say; fields that are absent do not matter. */
export type ExpectedEntry = Partial<AccessEntry>

/** A directory made of plain maps; tests edit it and `replace()` makes the change visible, as a refresh does. */
export class TestDirectory implements Directory {
  snapshot: Snapshot | null = null
  isStale = false
  rules: RuleBook | null = EMPTY_RULES
  readonly keys = new Map<string, KeyGrant>()
  readonly tenants = new Map<string, TenantGrant>()
  /** Digests that were looked up. */
  readonly lookups: string[] = []
  readonly uses: string[] = []
  signingKeys: SigningKey[] = [
    { kid: '0123456789abcdef', secret: 'A'.repeat(43), activeFromMs: 0, retiresAtMs: null },
  ]

  noteUse(keyId: string): void {
    this.uses.push(keyId)
  }

  tenant(slug: string, changes: Partial<TenantGrant> = {}): void {
    this.tenants.set(slug, tenantOf({ slug, ...changes }))
    this.replace()
  }

  /** Adds a key with all scopes, or changes one. */
  key(
    minted: MintedKey,
    changes: Partial<KeyGrant> & { scopeList?: string[]; networkList?: string[] } = {},
  ): void {
    const { scopeList = ['*:*'], networkList = [], ...rest } = changes
    const scopes = compileScopes(scopeList)
    const networks = compileNetworks(networkList)
    this.keys.set(minted.digest, keyOf({ id: minted.id, scopes, networks, ...rest }))
    this.replace()
  }

  replace(): void {
    const keys = new Map(this.keys)
    this.snapshot = {
      keyCount: keys.size,
      tenants: new Map(this.tenants),
      signingKeys: this.signingKeys,
      keyById: (id) => [...keys.values()].find((key) => key.id === id),
      keyByDigest: (digest) => {
        this.lookups.push(digest)
        return keys.get(digest)
      },
    }
  }
}

/** What a test may choose. */
export interface TestGatewayOptions {
  readonly routes?: readonly Partial<Route>[]
  readonly listener?: Partial<ListenerOptions>
  readonly trust?: TrustPolicy
  readonly headBounds?: HeadBounds
  readonly notice?: (message: string) => void
  readonly sink?: EntrySink
  /** Maximum number of upstream pools. */
  readonly maxPools?: number
  /** When a request arrived, epoch milliseconds; `Date.now` unless told. */
  readonly now?: () => number
  readonly pool?: PoolOptions
  /** What routes have before their upstreams; nothing unless told. */
  readonly interceptors?: readonly Interceptor[]
  /** Wrong credentials a source may present; default none are counted. */
  readonly failures?: FailureLimit
  /** Requests over a limit that are held; default none. */
  readonly maxHeld?: number
  /** Knows what came before; without one nobody can tell. */
  readonly calls?: CallBook
}

const DEFAULTS: ListenerOptions = {
  headersTimeoutMs: 15_000,
  keepAliveTimeoutMs: 75_000,
  maxHeaderBytes: 32_768,
  maxConnections: 1000,
  halfClosedIdleMs: 1000,
}

/** A route at `/r/` for tests, complete. */
export function testRoute(port: number, changes: Partial<Route> = {}): Route {
  const upstream = `http://127.0.0.1:${port}`
  const route = routeOf({
    name: 'r',
    kind: 'generic',
    path: '/r/',
    upstream,
    maxConnections: 16,
    maxQueued: 16,
  })
  return { ...route, ...changes }
}

/** The data plane with a raw upstream behind it and a fake directory beside it; entries are kept. */
export class TestGateway {
  readonly upstream: RawUpstream
  readonly directory = new TestDirectory()
  readonly entries: AccessEntry[] = []
  readonly reports: unknown[] = []
  /** Of each report: which request it was about. */
  readonly reportedIds: (string | undefined)[] = []
  readonly counters = new ProxyCounters()
  readonly limiter: Limiter
  readonly pools: UpstreamPools
  readonly chains: RouteChains
  readonly handler: Handler
  readonly listener: ProxyListener
  /** A valid key of tenant `acme` with all scopes. */
  readonly key = mintKey()
  port = 0
  /** What its probe path tells. */
  isReady = true
  #settings = NO_SETTINGS
  readonly #clients: Wire[] = []

  constructor(upstream: RawUpstream, options: TestGatewayOptions) {
    this.upstream = upstream
    const { failures = null, maxHeld = 0 } = options
    this.limiter = new Limiter({ idleBucketMs: 60_000, failures, maxHeld })
    this.pools = new UpstreamPools({
      maxPools: options.maxPools ?? 16,
      ...(options.pool && { pool: options.pool }),
    })
    this.chains = new RouteChains(this.pools, options.interceptors ?? [])
    this.directory.tenant('acme')
    this.directory.key(this.key)
    const record: EntrySink = { push: (entry) => this.entries.push(entry) > 0, reserve: () => null }
    const report: Report = (error, request) => {
      this.reports.push(error)
      this.reportedIds.push(request?.requestId)
    }
    this.handler = new Handler({
      directory: this.directory,
      limiter: this.limiter,
      dispatcher: this.chains,
      pools: this.pools,
      sink: options.sink ?? record,
      counters: this.counters,
      via: 'waybill-test',
      ...(options.headBounds === undefined ? {} : { headBounds: options.headBounds }),
      ...(options.calls === undefined ? {} : { calls: options.calls }),
      now: options.now ?? Date.now,
      isReady: () => this.isReady,
      report,
    })
    this.setRoutes((options.routes ?? [{}]).map((changes) => testRoute(upstream.port, changes)))
    if (options.trust !== undefined) this.apply({ trust: options.trust })
    this.listener = new ProxyListener(this.handler, { ...DEFAULTS, ...options.listener }, report, (message) =>
      options.notice?.(message),
    )
  }

  /** Replaces some settings, as a reload does. */
  apply(changes: Partial<HandlerSettings>): void {
    this.#settings = { ...this.#settings, ...changes }
    this.handler.apply(this.#settings)
  }

  setRoutes(routes: readonly Route[]): void {
    this.apply({ routes: new RouteTable(routes) })
    this.chains.apply(routes)
  }

  async client(): Promise<Wire> {
    const wire = await dial(this.port)
    this.#clients.push(wire)
    return wire
  }

  /** Head of a keyed request, ended; `fields` are whole lines. */
  head(startLine: string, ...fields: string[]): string {
    const lines = [startLine, 'Host: gw', `Authorization: Bearer ${this.key.text}`, ...fields]
    return `${lines.join('\r\n')}\r\n\r\n`
  }

  async entry(count = 1): Promise<AccessEntry> {
    await until(() => this.entries.length >= count, `entry ${count}, have ${this.entries.length}`)
    return this.entries[count - 1] as AccessEntry
  }

  /** Waits until nothing is in flight any more. */
  async quiet(): Promise<void> {
    await until(() => this.counters.inFlight === 0, 'requests to end')
  }

  /**
   * The end of every test: exactly these entries, in this order, and no more; nothing in flight, no connection, no tunnel, no
   * count of the limiter, no busy upstream connection is left; nothing was reported as internal.
   */
  async finish(
    t: Test,
    expected: readonly ExpectedEntry[],
    options: { reports?: number } = {},
  ): Promise<void> {
    await this.entry(expected.length)
    await this.quiet()
    t.equal(this.handler.exchanges.size, 0, 'no exchange is left')
    for (const { socket } of this.#clients) socket.destroy()
    await until(() => this.counters.connections === 0, 'client connections to end')
    await until(
      () => this.pools.stats.every(({ busy, queued }) => busy + queued === 0),
      'upstream requests to end',
    )
    t.match(this.entries, expected)
    t.equal(this.entries.length, expected.length, 'one entry per request')
    t.equal(this.counters.upgradesOpen, 0)
    t.equal(this.limiter.stats.inFlightTenants, 0)
    t.equal(this.reports.length, options.reports ?? 0, `reports: ${this.reports.map(String).join('; ')}`)
    t.notMatch(JSON.stringify(this.entries), this.key.text.slice(20), 'no key in any entry')
  }

  async stop(): Promise<void> {
    for (const { socket } of this.#clients) socket.destroy()
    await this.listener.drain(0)
    this.upstream.stop()
    await this.pools.destroy()
  }
}

/** Starts a gateway with its upstream; both end with the test. */
export async function startGateway(t: Test, options: TestGatewayOptions = {}): Promise<TestGateway> {
  const upstream = await RawUpstream.start()
  const gateway = new TestGateway(upstream, options)
  gateway.port = (await gateway.listener.start('127.0.0.1', 0)).port
  t.teardown(() => gateway.stop())
  return gateway
}
