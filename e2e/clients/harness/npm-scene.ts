import type { Test } from 'tap'
import { request } from '../../harness/client.ts'
import type { GatewayConfig } from '../../harness/gateway.ts'
import { startVerdaccio } from '../../harness/verdaccio.ts'
import { BASE, handTo, startGuard, type Guard } from './guard.ts'
import { pack, publishBody, type MadePackage, type PackedPackage } from './npm-packages.ts'
import { startScene, type LimitedScene } from './scene.ts'

/** A gateway in front of an npm registry whose documents name an address of its own, where only the gateway is let in. */
export interface NpmScene extends LimitedScene {
  readonly guard: Guard
  /** What is in the registry, by name. */
  readonly packages: ReadonlyMap<string, PackedPackage>
}

/** Sizes of the file that is cut, and of what passes of it before: more than what lies in buffers on the way. */
export const LARGE_BYTES = 6 * 1024 * 1024
export const PART_BYTES = 2 * 1024 * 1024

const PACKAGES: readonly MadePackage[] = [
  { name: '@acme/base', version: '1.2.3' },
  { name: 'acme-tool', version: '2.0.0', dependencies: { '@acme/base': '^1.0.0' } },
  { name: 'acme-large', version: '1.0.0', ballastBytes: LARGE_BYTES },
  { name: 'acme-first', version: '1.0.0', dependencies: { 'acme-second': '1.0.0' } },
  { name: 'acme-second', version: '1.0.0', dependencies: { 'acme-third': '1.0.0' } },
  { name: 'acme-third', version: '1.0.0' },
]

/** Starts the scene. `config` goes over that of the gateway. */
export async function npmScene(t: Test, config: GatewayConfig = {}): Promise<NpmScene> {
  const verdaccio = await startVerdaccio(t, `${BASE}/`)
  const guard = await startGuard(t, handTo(verdaccio.url))
  const packages = new Map<string, PackedPackage>()
  for (const made of PACKAGES) {
    const packed = pack(made)
    packages.set(made.name, packed)
    const url = `${verdaccio.url}${made.name.replace('/', '%2f')}`
    const { status, body } = await request(url, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: publishBody(packed, new URL(guard.url).origin),
    })
    if (status !== 201) throw new Error(`${made.name} is not in the registry: ${status} ${body.toString()}`)
  }
  const { url: upstream, upstreamAuth } = guard
  const scene = await startScene(t, { kind: 'npm', upstream, upstreamAuth }, config)
  return { ...scene, guard, packages }
}
