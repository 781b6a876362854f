import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { GIT_ENV, GIT_PATHS, makeRepository, runBackend } from '../harness/git-server.ts'
import { testFolder } from '../harness/product.ts'
import { generated } from '../harness/upstream.ts'
import { bodyOf, sha256, startFileServer, type FileServer } from './harness/file-server.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { Report } from './harness/report.ts'
import { startScene, type Scene } from './harness/scene.ts'
import {
  assertAllCounted,
  assertDone,
  assertKeysRefused,
  assertRefused,
  assertUsed,
  limitedKey,
  programFor,
  revokedKey,
} from './harness/trial.ts'

interface GitScene extends Scene {
  readonly server: FileServer
}

const LFS = '/repo.git/info/lfs'
const LARGE = generated(0, 3_000_000)
const OBJECT = `${LFS}/objects/${sha256(LARGE)}`

interface Batch {
  readonly operation: 'upload' | 'download'
  readonly objects: readonly { readonly oid: string; readonly size: number }[]
}

/** A git server with LFS (its specification's batch API), whose documents name its own address. */
async function startForge(t: Test): Promise<FileServer> {
  const root = await testFolder(t)
  await makeRepository(root)
  const answerBatch = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { operation, objects } = JSON.parse((await bodyOf(request)).toString()) as Batch
    const answers = objects.map(({ oid, size }) => {
      const action = { href: `${server.url.slice(0, -1)}${LFS}/objects/${oid}` }
      const has = server.files.has(`${LFS}/objects/${oid}`)
      return { oid, size, actions: operation === 'upload' && has ? undefined : { [operation]: action } }
    })
    response.setHeader('content-type', 'application/vnd.git-lfs+json')
    response.end(JSON.stringify({ transfer: 'basic', objects: answers }))
  }
  const server = await startFileServer(t, {
    api: async (request, response, url) => {
      if (GIT_PATHS.includes(url.pathname)) await runBackend(root, request, response, url)
      else if (url.pathname === `${LFS}/objects/batch`) await answerBatch(request, response)
      else if (url.pathname === `${LFS}/locks/verify`) response.end('{"ours":[],"theirs":[]}')
      else return false
      return true
    },
  })
  return server
}

async function gitScene(t: Test): Promise<GitScene> {
  const server = await startForge(t)
  return { ...(await startScene(t, { kind: 'git', upstream: server.url })), server }
}

t.test('git and git-lfs work through a gateway, set up as `waybill setup` says', async (t) => {
  const git = await programFor(t, 'git')
  if (git === null) return
  const lfs = await programFor(t, 'git-lfs')
  const scene = await gitScene(t)
  const { db, gateway, server } = scene
  const key = await gateway.mint({ tenant: 'git', scopes: ['git:*'], flags: ['--create-tenant'] })
  const machine = await gitMachine(t, scene, key)
  const { stdout } = await machine.run(git, ['--version'])
  const report = new Report('git', stdout.trim().split(' ')[2] ?? '')
  report.note('setup')

  const address = `${gateway.proxyUrl}/git/repo.git`
  await machine.write('readme.txt', 'hello\n')
  for (const command of [
    'git init --initial-branch=main .',
    ...(lfs === null ? [] : ['git lfs install --local', 'git lfs track "*.bin"']),
    'git add . && git commit --quiet -m first',
    `git push ${address} main`,
  ])
    assertDone(t, await machine.run('sh', ['-c', command]), command)
  report.note('publish')
  const reader = await gateway.mint({ tenant: 'git', scopes: ['git:read'] })
  const other = await gitMachine(t, scene, reader)
  assertDone(t, await other.run(git, ['clone', address, 'cloned']), 'another machine clones')
  t.equal(await readFile(join(other.project, 'cloned/readme.txt'), 'utf8'), 'hello\n')
  report.note('install')
  report.note('login')
  const repository = { package: `${new URL(server.url).host}/repo`, version: null }
  const isRead = await assertUsed(t, db, { tenant: 'git', as: 'artifact' }, [repository])
  const isWritten = await assertUsed(t, db, { tenant: 'git', as: 'upload' }, [repository])
  if (isRead && isWritten) report.note('identified', 'the repository')

  if (lfs !== null) {
    await t.test('large files', async (t) => tryLfs(t, scene, { machine, other, address }))
  }
  await t.test('refusals', async (t) => refuse(t, scene, { other, report, address }))
  await assertAllCounted(t, db, [gateway], [server])
})

async function gitMachine(t: Test, { gateway }: Scene, key: string): Promise<Machine> {
  const machine = await newMachine(t)
  Object.assign(machine.env, GIT_ENV)
  await machine.setUp(gateway, 'git', 'git', key)
  return machine
}

/** Pushes a large file, and pulls it on another machine, where the download breaks once. */
async function tryLfs(
  t: Test,
  { db, server }: GitScene,
  place: { readonly machine: Machine; readonly other: Machine; readonly address: string },
): Promise<void> {
  const { machine, other, address } = place
  const version = (await machine.run('git', ['lfs', 'version'])).stdout
  const report = new Report('git-lfs', /git-lfs\/(\S+)/.exec(version)?.[1] ?? '')
  await machine.write('large.bin', LARGE)
  const push = `git add . && git commit --quiet -m large && git push ${address} main`
  if (!assertDone(t, await machine.run('sh', ['-c', push]), 'it pushes')) return
  t.ok(LARGE.equals(server.files.get(OBJECT) ?? Buffer.alloc(0)), 'the object arrived')
  report.note('setup')
  report.note('publish')
  report.note('login')

  server.cutOnce(OBJECT)
  const pull = 'git lfs install --local && git pull --quiet && git lfs pull && git lfs fsck'
  assertDone(t, await other.run('sh', ['-c', pull], { below: 'cloned' }), 'it pulls')
  t.ok(LARGE.equals(await readFile(join(other.project, 'cloned/large.bin'))))
  report.note('install')
  const where = `path LIKE '%/info/lfs/objects/${sha256(LARGE)}' AND status < 300`
  const rows = await db.query<{ method: string; artifact_kind: string; status: number }>(
    `SELECT method, artifact_kind, status FROM access_log WHERE ${where} ORDER BY seq`,
  )
  const methods = rows.map((row) => `${row.method} ${row.artifact_kind}`)
  const isIdentified = t.strictSame(
    methods,
    ['PUT upload', 'GET artifact', 'GET artifact'],
    JSON.stringify(rows),
  )
  if (isIdentified) report.note('identified', 'the repository')
  report.note('resume', rows.at(-1)?.status === 206 ? 'yes' : 'starts again')
}

async function refuse(
  t: Test,
  { gateway }: GitScene,
  { other, report, address }: { readonly other: Machine; readonly report: Report; readonly address: string },
): Promise<void> {
  const fetch = async (key: string): ReturnType<Machine['run']> => {
    await other.setUp(gateway, 'git', 'git', key)
    return other.run('git', ['ls-remote', address])
  }
  const revoked = await revokedKey(gateway, 'git', 'git:read')
  if (await assertKeysRefused(t, revoked, fetch)) report.note('refused')
  // It asks twice: what the server can, and for the refs.
  const limited = await limitedKey(gateway, 'git', 'git:read', 2)
  assertDone(t, await fetch(limited), 'a burst')
  if (assertRefused(t, await fetch(limited), /rate limit/)) report.note('limited')
}
