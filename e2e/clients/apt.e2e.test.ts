import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { programFor } from '../harness/program.ts'
import { generated } from '../harness/upstream.ts'
import { startFileServer, type FileServer } from './harness/file-server.ts'
import { assertAllByFront, startFronted, type Fronted } from './harness/fronted.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { Report } from './harness/report.ts'
import { assertEndsWithKey } from './harness/revocation.ts'
import { startScene, type Scene, type SceneRoute } from './harness/scene.ts'
import type { TlsFront } from './harness/tls-front.ts'
import {
  assertAllCounted,
  assertDone,
  assertKeysRefused,
  assertRefused,
  assertUsed,
  limitedKey,
  revokedKey,
} from './harness/trial.ts'

interface AptScene extends Scene {
  readonly archive: FileServer
  readonly route: SceneRoute
}

const INSTALL = ['install', '--download-only', '--yes', 'demo']
const DEB = 'demo_1.0+x_all.deb'

/** A flat archive of one package of 3 MB. */
async function addPackage(t: Test, archive: FileServer): Promise<void> {
  const machine = await newMachine(t)
  const control =
    'Package: demo\nVersion: 1.0+x\nArchitecture: all\nMaintainer: Test <test@example.com>\nDescription: A test\n'
  await machine.write('demo/DEBIAN/control', control)
  await machine.write('demo/usr/share/demo/ballast', generated(0, 3_000_000))
  const make = `dpkg-deb --root-owner-group -Znone --build demo ${DEB} >&2 && dpkg-scanpackages . 2>/dev/null`
  const done = await machine.run('sh', ['-c', make])
  if (done.code !== 0) throw new Error(done.stderr)
  archive.files.set('/Packages', Buffer.from(done.stdout))
  archive.files.set(`/${DEB}`, await readFile(join(machine.project, DEB)))
}

async function aptScene(t: Test): Promise<AptScene> {
  const archive = await startFileServer(t)
  await addPackage(t, archive)
  const route = { kind: 'apt', upstream: archive.url }
  return { ...(await startScene(t, route)), archive, route }
}

t.test('apt works through a gateway, set up as `waybill setup` says', async (t) => {
  const apt = await programFor(t, 'apt-get')
  const scan = await programFor(t, 'dpkg-scanpackages')
  if (apt === null || scan === null) return
  const scene = await aptScene(t)
  const { db, gateway, archive } = scene
  const key = await gateway.mint({ tenant: 'apt', scopes: ['apt:read'], flags: ['--create-tenant'] })
  const machine = await aptMachine(t, scene, key)
  const { stdout } = await machine.run(apt, ['--version'])
  const report = new Report('apt', stdout.split(' ')[1] ?? '')
  if (!assertDone(t, await machine.run(apt, ['update']), 'it updates')) return
  report.note('setup')
  report.note('login')

  archive.cutOnce(`/${DEB}`)
  if (!assertDone(t, await machine.run(apt, INSTALL), 'it fetches a package, whose download breaks')) return
  const cache = await readdir(join(machine.home, 'root/var/cache/apt/archives'))
  t.ok(
    cache.some((name) => name.endsWith('.deb')),
    'it has checked the package and keeps it',
  )
  report.note('install')
  const isUsed = await assertUsed(t, db, { tenant: 'apt', as: 'artifact' }, [
    { package: 'debian/demo', version: '1.0+x' },
  ])
  if (isUsed) report.note('identified')
  const artifacts = `artifact_kind = 'artifact'`
  await waitForEntries(db, 2, { where: artifacts })
  const rows = await db.query(`SELECT status FROM access_log WHERE ${artifacts} ORDER BY seq`)
  if (t.strictSame(rows, [{ status: 200 }, { status: 206 }], 'it goes on where it broke'))
    report.note('resume')

  await t.test('refusals', async (t) => refuse(t, scene, { machine, report }))
  await t.test('its key is revoked in a large download', (t) => endWithKey(t, scene, report))
  const fronted = await startFronted(t, scene, scene.route)
  await t.test('behind a front with TLS and a base path', (t) => tryFront(t, fronted, report))
  await assertAllCounted(t, db, [gateway, fronted.gateway], [archive])
})

async function refuse(
  t: Test,
  { gateway }: AptScene,
  { machine, report }: { readonly machine: Machine; readonly report: Report },
): Promise<void> {
  const revoked = await revokedKey(gateway, 'apt', 'apt:read')
  const isRefused = await assertKeysRefused(t, revoked, async (key) => {
    await setUp(machine, gateway, key)
    return machine.run('apt-get', ['update', '--error-on=any'])
  })
  if (isRefused) report.note('refused')
  await setUp(machine, gateway, await limitedKey(gateway, 'apt', 'apt:read'))
  const limited = await machine.run('apt-get', ['update', '--error-on=any', '-o', 'Acquire::Retries=0'])
  if (assertRefused(t, limited, /rate limit/)) report.note('limited')
}

/** Of several failures of one file apt prints one: here that of the connection; the next run says why. */
async function endWithKey(t: Test, scene: AptScene, report: Report): Promise<void> {
  const { gateway, archive } = scene
  const key = await gateway.mint({ tenant: 'apt', scopes: ['apt:read'] })
  const machine = await aptMachine(t, scene, key)
  assertDone(t, await machine.run('apt-get', ['update']), 'it updates')
  await assertEndsWithKey(t, scene, report, {
    key,
    strike: (fault) => archive.strike(`/${DEB}`, fault),
    attempt: () => machine.run('apt-get', INSTALL),
    says: /Error reading from server\. Remote end closed connection|has been revoked/,
  })
}

async function tryFront(t: Test, fronted: Fronted, report: Report): Promise<void> {
  const { front, gateway } = fronted
  const key = await gateway.mint({ tenant: 'front', scopes: ['apt:read'], flags: ['--create-tenant'] })
  const machine = await aptMachine(t, fronted, key, front)
  assertDone(t, await machine.run('apt-get', ['update', '--error-on=any']), 'it updates')
  if (!assertDone(t, await machine.run('apt-get', INSTALL), 'it fetches a package')) return
  await assertAllByFront(t, fronted)
  report.note('front')
}

/** A machine with a root of its own for apt: nothing of the real one is read or written. */
async function aptMachine(
  t: Test,
  { gateway }: Pick<Scene, 'gateway'>,
  key: string,
  front?: TlsFront,
): Promise<Machine> {
  const machine = await newMachine(t)
  const root = join(machine.home, 'root')
  for (const folder of [
    'etc/apt/apt.conf.d',
    'etc/apt/preferences.d',
    'etc/apt/trusted.gpg.d',
    'var/lib/apt/lists/partial',
    'var/cache/apt/archives/partial',
    'var/log/apt',
    'var/lib/dpkg',
  ])
    await mkdir(join(root, folder), { recursive: true })
  await writeFile(join(root, 'var/lib/dpkg/status'), '')
  machine.env['APT_CONFIG'] = await machine.write(
    'apt.conf',
    `Dir "${root}";\nDir::State::status "${root}/var/lib/dpkg/status";\nAPT::Sandbox::User "root";\n${front === undefined ? '' : `Acquire::https::CAInfo "${front.caFile}";\n`}`,
  )
  await setUp(machine, gateway, key, front?.url)
  return machine
}

/** As `waybill setup` says, and what it leaves to the reader: the suite, and that this archive is not signed. */
async function setUp(machine: Machine, gateway: Scene['gateway'], key: string, url?: string): Promise<void> {
  await machine.setUp(gateway, 'apt', 'apt', key, url)
  const list = machine.placeOf('/etc/apt/sources.list.d/waybill.list')
  const line = await readFile(list, 'utf8')
  await writeFile(list, line.replace('<suite> <component>', './').replace('deb ', 'deb [trusted=yes] '))
}
