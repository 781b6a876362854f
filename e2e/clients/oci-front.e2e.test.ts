import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { programFor } from '../harness/program.ts'
import { startFronted, type Fronted } from './harness/fronted.ts'
import { BASE, handTo, startGuard, type Guard } from './harness/guard.ts'
import { makeImage, startImageRegistry, type ImageRegistry } from './harness/image-registry.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { Report } from './harness/report.ts'
import { assertEndsWithKey } from './harness/revocation.ts'
import { startScene, type Scene, type SceneRoute } from './harness/scene.ts'
import { assertAllCounted, assertDone, assertUsed } from './harness/trial.ts'

interface GuardedImages extends Scene {
  /** Between the gateway and the registry: it lets nobody else in. */
  readonly guard: Guard
  readonly registry: ImageRegistry
  readonly route: SceneRoute
}

async function guardedImages(t: Test, program: string): Promise<GuardedImages> {
  const registry = await startImageRegistry(t, program)
  const guard = await startGuard(t, handTo(registry.url.slice(0, -1)))
  const route = {
    kind: 'oci',
    path: '/v2/oci/',
    upstream: `${guard.url}v2/`,
    upstreamAuth: guard.upstreamAuth,
  }
  return { ...(await startScene(t, route)), guard, registry, route }
}

t.test('images come through a front with TLS, at a host of their own, and end with their key', async (t) => {
  const program = await programFor(t, 'docker-registry')
  const skopeo = await programFor(t, 'skopeo')
  if (program === null || skopeo === null) return
  const scene = await guardedImages(t, program)
  // Clients ask at the root of a host: the route has one of its own, and the front takes no path away.
  const fronted = await startFronted(t, scene, { ...scene.route, host: 'localhost', path: '/v2/' }, '')
  await t.test('behind a front', (t) => tryFront(t, scene, fronted))
  await t.test('its key is revoked in a large download', (t) => endWithKey(t, scene))
  t.strictSame(scene.guard.around, [], 'no request went around the gateway')
  await assertAllCounted(t, scene.db, [scene.gateway, fronted.gateway], [{ seen: scene.guard.passed }])
})

async function imageMachine(t: Test): Promise<Machine> {
  const machine = await newMachine(t)
  // Without it, root's logins lie in /run, for everybody.
  machine.env['REGISTRY_AUTH_FILE'] = join(machine.home, 'auth.json')
  machine.env['CONTAINERS_STORAGE_CONF'] = await machine.write(
    'storage.conf',
    `[storage]\ndriver = "vfs"\ngraphroot = "${machine.home}/graph"\nrunroot = "${machine.home}/run"\n`,
  )
  return machine
}

async function tryFront(t: Test, { db }: GuardedImages, { front, gateway }: Fronted): Promise<void> {
  const podman = await programFor(t, 'podman')
  if (podman === null) return
  const key = await gateway.mint({ tenant: 'front', scopes: ['oci:*'], flags: ['--create-tenant'] })
  const machine = await imageMachine(t)
  machine.env['SSL_CERT_FILE'] = front.caFile
  await machine.setUp(gateway, 'podman', 'oci', key, front.url)
  const digest = await makeImage(join(machine.project, 'layout'), '1.0', randomBytes(10_000))
  const image = `${new URL(front.url).host}/team/app:1.0`
  const pushed = await machine.run('skopeo', ['copy', 'oci:layout:1.0', `docker://${image}`])
  if (!assertDone(t, pushed, 'skopeo pushes')) return
  const shown = await machine.run('skopeo', ['inspect', `docker://${image}`])
  t.match(shown.stdout, digest, 'skopeo reads the same image', shown)
  if (assertDone(t, await machine.run(podman, ['pull', image]), 'podman pulls'))
    for (const client of ['podman', 'skopeo'])
      new Report(client, await versionOf(machine, client), 'front').note('front')
  await assertUsed(t, db, { tenant: 'front', as: 'artifact' }, [{ package: 'app', version: null }])
  t.ok(front.requests > 0)
  t.equal((await gateway.overview()).requests.total, front.requests, 'all requests came by way of the front')
}

async function endWithKey(t: Test, scene: GuardedImages): Promise<void> {
  const { gateway, guard } = scene
  const machine = await imageMachine(t)
  await makeImage(join(machine.project, 'layout'), '1.0', randomBytes(3_000_000))
  const image = `docker://${new URL(gateway.proxyUrl).host}/oci/team/large:1.0`
  // To the registry itself: it does not know of the guard's base path.
  const there = `docker://${new URL(scene.registry.url).host}/team/large:1.0`
  const push = ['copy', '--dest-tls-verify=false', 'oci:layout:1.0', there]
  if (!assertDone(t, await machine.run('skopeo', push), 'the image is there')) return
  const { layers } = JSON.parse(
    (await machine.run('skopeo', ['inspect', '--raw', '--tls-verify=false', there])).stdout,
  ) as { readonly layers: readonly { readonly digest: string }[] }
  const key = await gateway.mint({ tenant: 'ended', scopes: ['oci:read'], flags: ['--create-tenant'] })
  await machine.setUp(gateway, 'podman', 'oci', key)
  await assertEndsWithKey(t, scene, new Report('skopeo', await versionOf(machine, 'skopeo'), 'revoked'), {
    key,
    strike: (fault) => guard.strike(`${BASE}/v2/team/large/blobs/${layers[0]?.digest}`, fault),
    attempt: () => machine.run('skopeo', ['copy', '--src-tls-verify=false', image, 'oci:ended:1.0']),
    says: /unexpected EOF/,
  })
}

async function versionOf(machine: Machine, program: string): Promise<string> {
  return (await machine.run(program, ['--version'])).stdout.trim().split(' ')[2] ?? ''
}
