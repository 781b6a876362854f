import { access, readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { programFor } from '../harness/program.ts'
import { generated } from '../harness/upstream.ts'
import { bodyOf, sha256, startFileServer, type FileServer } from './harness/file-server.ts'
import { assertAllByFront, startFronted, type Fronted } from './harness/fronted.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { Report } from './harness/report.ts'
import { assertEndsWithKey } from './harness/revocation.ts'
import { startScene, type LimitedScene, type SceneRoute } from './harness/scene.ts'
import {
  assertAllCounted,
  assertDone,
  assertKeysRefused,
  assertRefused,
  assertSlowed,
  assertUsed,
  limitedKey,
  revokedKey,
  WRONG_KEY,
} from './harness/trial.ts'

interface CargoScene extends LimitedScene {
  readonly registry: FileServer
  readonly route: SceneRoute
}

const CRATES = '/api/v1/crates'
const PUBLISH = ['publish', '--no-verify', '--allow-dirty', '--registry', 'waybill']
const FETCH = ['fetch']

/** What cargo sends in front of a crate (web API, "Publish"). */
interface Published {
  readonly name: string
  readonly vers: string
}

/** Where a crate's file of the sparse index lies. */
function indexPath(name: string): string {
  return `/${name.slice(0, 2)}/${name.slice(2, 4)}/${name}`
}

function addCrate({ files }: FileServer, name: string, crate: Uint8Array, vers = '1.0.0'): void {
  const line = { name, vers, deps: [], cksum: sha256(crate), features: {}, yanked: false }
  files.set(indexPath(name), Buffer.from(`${JSON.stringify(line)}\n`))
  files.set(`${CRATES}/${name}/${vers}/download`, crate)
}

/** A registry with a sparse index and the web API, whose documents name its own address. */
async function startRegistry(t: Test): Promise<FileServer> {
  const publish = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request)
    const length = body.readUInt32LE(0)
    const { name, vers } = JSON.parse(body.toString('utf8', 4, 4 + length)) as Published
    const crate = body.subarray(8 + length)
    addCrate(registry, name, crate, vers)
    response.end('{"warnings":{"invalid_categories":[],"invalid_badges":[],"other":[]}}')
  }
  const registry = await startFileServer(t, {
    api: async (request, response, { pathname }) => {
      if (pathname === '/config.json')
        response.end(
          JSON.stringify({
            dl: `${registry.url.slice(0, -1)}${CRATES}`,
            api: registry.url.slice(0, -1),
            'auth-required': true,
          }),
        )
      else if (pathname === `${CRATES}/new`) await publish(request, response)
      else return false
      return true
    },
  })
  return registry
}

async function cargoScene(t: Test): Promise<CargoScene> {
  const registry = await startRegistry(t)
  const route = { kind: 'cargo', upstream: registry.url }
  return { ...(await startScene(t, route)), registry, route }
}

t.test('cargo works through a gateway, set up as `waybill setup` says', async (t) => {
  const cargo = await programFor(t, 'cargo')
  if (cargo === null) return
  const scene = await cargoScene(t)
  const { db, gateway, registry } = scene
  const key = await gateway.mint({ tenant: 'cargo', scopes: ['cargo:*'], flags: ['--create-tenant'] })
  const machine = await cargoMachine(t, scene, key)
  const { stdout } = await machine.run(cargo, ['--version'])
  const report = new Report('cargo', stdout.split(' ')[1] ?? '')
  report.note('setup')

  await writePackage(machine, 'demo-lib', '1.2.0+build.1')
  if (!assertDone(t, await machine.run(cargo, PUBLISH, { below: 'demo-lib' }), 'it publishes')) return
  report.note('publish')
  const reader = await gateway.mint({ tenant: 'cargo', scopes: ['cargo:read'] })
  const other = await cargoMachine(t, scene, reader)
  await writePackage(other, 'app', '0.1.0', 'demo-lib = "1"')
  registry.cutOnce(`${CRATES}/demo-lib/1.2.0+build.1/download`)
  if (!assertDone(t, await other.run(cargo, FETCH, { below: 'app' }), 'another machine fetches')) return
  const lock = await readFile(join(other.project, 'app/Cargo.lock'), 'utf8')
  t.match(
    lock,
    `checksum = "${sha256(registry.files.get(`${CRATES}/demo-lib/1.2.0+build.1/download`) ?? '')}"`,
  )
  report.note('install')
  report.note('login')
  report.note('resume', 'starts again')
  const isUsed = await assertUsed(t, db, { tenant: 'cargo', as: 'artifact' }, [
    { package: 'demo-lib', version: '1.2.0+build.1' },
  ])
  if (isUsed) report.note('identified', 'downloads; a publish has the name in its body')

  await t.test('a crate that was changed on the way is not taken', async (t) => {
    const path = `${CRATES}/demo-lib/1.2.0+build.1/download`
    const crate = registry.files.get(path) ?? Buffer.alloc(0)
    registry.files.set(path, Buffer.concat([crate, Buffer.from('x')]))
    const fresh = await cargoMachine(t, scene, reader)
    await writePackage(fresh, 'app', '0.1.0', 'demo-lib = "1"')
    assertRefused(t, await fresh.run(cargo, FETCH, { below: 'app' }), /failed to verify the checksum/)
    registry.files.set(path, crate)
  })
  await t.test('refusals', async (t) => refuse(t, scene, { cargo, report }))
  await t.test('its key is revoked in a large download', (t) => endWithKey(t, scene, { cargo, report }))
  const fronted = await startFronted(t, scene, scene.route)
  await t.test('behind a front with TLS and a base path', (t) => tryFront(t, fronted, { cargo, report }))
  await assertAllCounted(t, db, [gateway, fronted.gateway], [registry])
})

interface Trial {
  readonly cargo: string
  readonly report: Report
}

async function refuse(t: Test, scene: CargoScene, { cargo, report }: Trial): Promise<void> {
  const { gateway } = scene
  const machine = await cargoMachine(t, scene, WRONG_KEY)
  await writePackage(machine, 'app', '0.1.0', 'demo-lib = "1"')
  const fetch = async (key: string): ReturnType<Machine['run']> => {
    await machine.setUp(gateway, 'cargo', 'cargo', key)
    return machine.run(cargo, FETCH, { below: 'app' })
  }
  const revoked = await revokedKey(gateway, 'cargo', 'cargo:read')
  if (await assertKeysRefused(t, revoked, fetch)) report.note('refused')
  // It would wait as `Retry-After` tells, which is more than a minute here.
  machine.env['CARGO_NET_RETRY'] = '0'
  const limited = await limitedKey(gateway, 'cargo', 'cargo:read')
  if (assertRefused(t, await fetch(limited), /rate limit/)) report.note('limited')
  const fresh = await cargoMachine(t, scene, WRONG_KEY)
  await writePackage(fresh, 'app', '0.1.0', 'demo-lib = "1"')
  fresh.env['CARGO_NET_RETRY'] = '0'
  await assertSlowed(t, scene, { tenant: 'cargo', scope: 'cargo:read' }, async (key) => {
    await fresh.setUp(gateway, 'cargo', 'cargo', key)
    return fresh.run(cargo, FETCH, { below: 'app' })
  })
}

async function endWithKey(t: Test, scene: CargoScene, { cargo, report }: Trial): Promise<void> {
  const { gateway, registry } = scene
  addCrate(registry, 'demo-held', generated(0, 3_000_000))
  const key = await gateway.mint({ tenant: 'cargo', scopes: ['cargo:read'] })
  const machine = await cargoMachine(t, scene, key)
  machine.env['CARGO_NET_RETRY'] = '0'
  await writePackage(machine, 'app', '0.1.0', 'demo-held = "1"')
  await assertEndsWithKey(t, scene, report, {
    key,
    strike: (fault) => registry.strike(`${CRATES}/demo-held/1.0.0/download`, fault),
    attempt: () => machine.run(cargo, FETCH, { below: 'app' }),
    says: /transfer closed with \d+ bytes remaining|Transferred a partial file/,
  })
}

/** `config.json` names the front, whatever the registry calls itself. */
async function tryFront(t: Test, fronted: Fronted, { cargo, report }: Trial): Promise<void> {
  const { front, gateway } = fronted
  const key = await gateway.mint({ tenant: 'front', scopes: ['cargo:*'], flags: ['--create-tenant'] })
  const machine = await cargoMachine(t, fronted, key, front.url)
  machine.env['CARGO_HTTP_CAINFO'] = front.caFile
  await writePackage(machine, 'demo-front', '0.1.0')
  assertDone(t, await machine.run(cargo, PUBLISH, { below: 'demo-front' }), 'it publishes')
  await writePackage(machine, 'app', '0.1.0', 'demo-front = "0.1"')
  if (!assertDone(t, await machine.run(cargo, FETCH, { below: 'app' }), 'it fetches')) return
  await assertAllByFront(t, fronted)
  report.note('front')
}

async function cargoMachine(
  t: Test,
  { gateway }: Pick<LimitedScene, 'gateway'>,
  key: string,
  url?: string,
): Promise<Machine> {
  const machine = await newMachine(t)
  // A cargo that rustup put there looks for its toolchain in the home folder.
  const toolchains = process.env['RUSTUP_HOME'] ?? join(homedir(), '.rustup')
  const has = await access(toolchains).then(
    () => true,
    () => false,
  )
  if (has) machine.env['RUSTUP_HOME'] = toolchains
  await machine.setUp(gateway, 'cargo', 'cargo', key, url)
  return machine
}

async function writePackage(machine: Machine, name: string, version: string, dependency = ''): Promise<void> {
  const manifest = `[package]\nname = "${name}"\nversion = "${version}"\nedition = "2021"\ndescription = "A test"\nlicense = "MIT"\n\n[dependencies]\n${dependency}\n`
  await machine.write(`${name}/Cargo.toml`, manifest)
  await machine.write(`${name}/src/lib.rs`, '')
}
