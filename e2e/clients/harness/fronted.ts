import type { Test } from 'tap'
import { startGateway, type TestGateway } from '../../harness/gateway.ts'
import type { Scene, SceneRoute } from './scene.ts'
import { startTlsFront, type TlsFront } from './tls-front.ts'

/** A second gateway on the same database with the same route, behind a front with TLS and a base path. */
export interface Fronted {
  readonly front: TlsFront
  readonly gateway: TestGateway
}

/** Starts a front and a gateway for it. Other addresses than `front.url` do not appear in what the gateway writes. */
export async function startFronted(t: Test, { db }: Scene, route: SceneRoute, prefix?: ''): Promise<Fronted> {
  const front = await startTlsFront(t, prefix)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      publicUrl: front.url,
      proxy: { trustedProxies: ['127.0.0.1'] },
      routes: [{ name: route.kind, path: `/${route.kind}/`, ...route }],
      accessLog: { flushIntervalMs: 100 },
    },
  })
  front.leadTo(gateway.proxyUrl)
  return { front, gateway }
}

/** Asserts that all requests of a gateway came by way of its front. */
export async function assertAllByFront(t: Test, { front, gateway }: Fronted): Promise<void> {
  t.ok(front.requests > 0, 'the front was used')
  t.equal((await gateway.overview()).requests.total, front.requests, 'all requests came by way of the front')
}
