import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { programFor } from '../harness/program.ts'
import { generated } from '../harness/upstream.ts'
import { startFileServer, type FileServer } from './harness/file-server.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { Report } from './harness/report.ts'
import { startScene, type LimitedScene } from './harness/scene.ts'
import { startTlsFront, type TlsFront } from './harness/tls-front.ts'
import {
  assertAllCounted,
  assertDone,
  assertKeysRefused,
  assertRefused,
  assertSlowed,
  assertUsed,
  limitedKey,
  revokedKey,
  said,
} from './harness/trial.ts'
import { who } from './harness/who.ts'
import { zip } from './harness/zip.ts'

interface GoScene extends LimitedScene {
  readonly front: TlsFront
  readonly proxy: FileServer
}

/** A module and what its one package needs. */
interface Module {
  readonly path: string
  readonly version: string
  readonly requires?: Module
  readonly ballastBytes?: number
}

const LIB: Module = { path: 'example.com/Acme/lib', version: 'v1.2.0' }
const TOOL: Module = { path: 'example.com/tool/v2', version: 'v2.0.1', requires: LIB }
const LARGE: Module = { path: 'example.com/large', version: 'v1.0.0', ballastBytes: 3_000_000 }

/** Capitals as they stand in addresses and folders. */
function escaped(path: string): string {
  return path.replaceAll(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`)
}

function pathOf({ path, version }: Module, suffix: string): string {
  return `/${escaped(path)}/@v/${version}${suffix}`
}

/** Puts a module where a module proxy has it (the Go modules reference, "GOPROXY protocol"). */
function addModule({ files }: FileServer, module: Module, text = module.version): void {
  const { path, version, requires, ballastBytes = 0 } = module
  const need = requires === undefined ? '' : `require ${requires.path} ${requires.version}\n`
  const mod = Buffer.from(`module ${path}\n\ngo 1.19\n\n${need}`)
  const use =
    requires === undefined ? '' : `import lib ${JSON.stringify(requires.path)}\nvar _ = lib.Version\n`
  const source = `package lib\n${use}const Version = ${JSON.stringify(text)}\n`
  const archive = new Map<string, Uint8Array>([
    ['go.mod', mod],
    ['lib.go', Buffer.from(source)],
    ['ballast.bin', generated(0, ballastBytes)],
  ])
  const named = [...archive].map(([name, bytes]) => [`${path}@${version}/${name}`, bytes] as const)
  files.set(`/${escaped(path)}/@v/list`, Buffer.from(`${version}\n`))
  const info = { Version: version, Time: '2020-01-01T00:00:00Z' }
  files.set(pathOf(module, '.info'), Buffer.from(JSON.stringify(info)))
  files.set(pathOf(module, '.mod'), mod)
  files.set(pathOf(module, '.zip'), zip(new Map(named)))
}

/** A module proxy behind a gateway, and that behind TLS: go sends no credentials without. */
async function goScene(t: Test): Promise<GoScene> {
  const proxy = await startFileServer(t)
  for (const module of [LIB, TOOL, LARGE]) addModule(proxy, module)
  const front = await startTlsFront(t)
  const config = { publicUrl: front.url, proxy: { trustedProxies: ['127.0.0.1'] } }
  const scene = await startScene(t, { kind: 'go', upstream: proxy.url }, config)
  front.leadTo(scene.gateway.proxyUrl)
  return { ...scene, front, proxy }
}

t.test('go works through a gateway behind TLS, set up as `waybill setup` says', async (t) => {
  const go = await programFor(t, 'go')
  if (go === null) return
  const scene = await goScene(t)
  const { db, gateway, front, proxy } = scene
  const key = await gateway.mint({ tenant: 'go', scopes: ['go:read'], flags: ['--create-tenant'] })
  const machine = await goMachine(t, scene, key)
  const { stdout } = await machine.run(go, ['version'])
  const report = new Report('go', /go version go(\S+)/.exec(stdout)?.[1] ?? '')
  report.note('setup')

  await writeModule(machine)
  const got = await machine.run(go, ['get', `${TOOL.path}@latest`])
  if (!assertDone(t, got, 'it finds the newest version, and gets it with what it needs')) return
  assertDone(t, await machine.run(go, ['build', './...']), 'it builds with that')
  t.match(await readFile(join(machine.project, 'go.sum'), 'utf8'), `${LIB.path} ${LIB.version} h1:`)
  for (const feature of ['login', 'install', 'front'] as const) report.note(feature)
  const isUsed = await assertUsed(t, db, { tenant: 'go', as: 'artifact' }, [
    { package: LIB.path, version: LIB.version },
    { package: TOOL.path, version: TOOL.version },
  ])
  t.match(await who(gateway, `pkg:golang/${LIB.path}@${LIB.version}`, 'go'), { download: 1 })
  if (isUsed) report.note('identified')

  await t.test('a module that was changed on the way is not taken', async (t) => {
    addModule(proxy, LIB, 'changed')
    const clean = await machine.run(go, ['clean', '-modcache'])
    assertDone(t, clean, 'nothing is left of before')
    assertRefused(t, await machine.run(go, ['mod', 'download']), /checksum mismatch/)
    addModule(proxy, LIB)
  })
  await t.test('a broken download', async (t) => breakDownload(t, scene, { machine, report }))
  await t.test('refusals', async (t) => refuse(t, scene, report))
  await assertAllCounted(t, db, [gateway], [proxy])
  t.equal(front.requests, (await gateway.overview()).requests.total, 'all came by way of the front')
})

interface Trial {
  readonly machine: Machine
  readonly report: Report
}

function download(machine: Machine, { path, version }: Module): ReturnType<Machine['run']> {
  return machine.run('go', ['mod', 'download', `${path}@${version}`])
}

async function breakDownload(t: Test, { proxy }: GoScene, { machine, report }: Trial): Promise<void> {
  proxy.cutOnce(pathOf(LARGE, '.zip'))
  const broken = await download(machine, LARGE)
  assertRefused(t, broken, /EOF|stream error/)
  assertDone(t, await download(machine, LARGE), 'the next run gets it whole')
  report.note('resume', 'gives up; works when run again')
}

async function refuse(t: Test, scene: GoScene, report: Report): Promise<void> {
  const { gateway } = scene
  const attempt = async (key: string): ReturnType<Machine['run']> => {
    const machine = await goMachine(t, scene, key)
    return download(machine, LIB)
  }
  const revoked = await revokedKey(gateway, 'go', 'go:read')
  if (await assertKeysRefused(t, revoked, attempt)) report.note('refused')
  const limited = await attempt(await limitedKey(gateway, 'go', 'go:read'))
  if (assertRefused(t, limited, /429/) && /rate limit/.test(said(limited))) report.note('limited')
  await assertSlowed(t, scene, { tenant: 'go', scope: 'go:read' }, attempt)
}

async function goMachine(t: Test, { gateway, front }: GoScene, key: string): Promise<Machine> {
  const machine = await newMachine(t)
  // What `waybill setup` says in words: the checksum database does not know these modules.
  Object.assign(machine.env, {
    GONOSUMDB: 'example.com',
    SSL_CERT_FILE: front.caFile,
    GOFLAGS: '-modcacherw',
  })
  // The test's own Go settings, if any, lie elsewhere.
  machine.env['GOENV'] = 'off'
  await machine.setUp(gateway, 'go', 'go', key, front.url)
  return machine
}

/** The developer's own module, that uses the tool. */
async function writeModule(machine: Machine): Promise<void> {
  await machine.write('go.mod', 'module example.com/app\n\ngo 1.19\n')
  await machine.write('main.go', `package main\nimport _ ${JSON.stringify(TOOL.path)}\nfunc main() {}\n`)
}
