import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { assertAllStored } from '../harness/accounting.ts'
import { generated, sendBytes, startUpstream, type TestUpstream } from '../harness/upstream.ts'
import { sha256 } from './harness/file-server.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { Report } from './harness/report.ts'
import { startScene, type Scene } from './harness/scene.ts'
import { programFor } from './harness/trial.ts'
import { who } from './harness/who.ts'

const SIZE = 4 * 1024 * 1024
const PART = 1024 * 1024
const SHA256 = sha256(generated(0, SIZE))

interface FileScene extends Scene {
  readonly upstream: TestUpstream
}

/** A program on its turn: a tenant, a key and a machine of its own. */
interface Turn {
  readonly machine: Machine
  readonly program: string
  readonly key: string
  readonly url: string
  readonly upstream: TestUpstream
  readonly report: Report
  /** Requests by what they were, of the file and this tenant. */
  readonly used: () => Promise<Record<string, number>>
}

t.test('plain files are downloaded whole, in parts, and from where they broke off', async (t) => {
  let cuts = 0
  const upstream = await startUpstream(t, {
    '/tool/1.0.0/tool-1.0.0.tar.gz': async (req, res, url) => {
      url.searchParams.set('size', String(SIZE))
      const isCut = url.searchParams.get('cut') === String(cuts + 1)
      if (!isCut) return sendBytes(req, res, url)
      cuts++
      res.writeHead(200, { 'content-length': SIZE, 'accept-ranges': 'bytes', etag: `"${SIZE}"` })
      res.write(generated(0, PART), () => res.destroy())
    },
  })
  const { db, gateway } = await startScene(t, { kind: 'generic', upstream: upstream.url })
  const scene: FileScene = { db, gateway, upstream }
  await t.test('curl', (t) => onTurn(t, scene, 'curl', tryCurl))
  await t.test('wget', (t) => onTurn(t, scene, 'wget', tryWget))
  await t.test('aria2', (t) => onTurn(t, scene, 'aria2c', tryAria2))
  await assertAllStored(t, db, [gateway], upstream.requests)
})

async function onTurn(
  t: Test,
  { gateway, upstream }: FileScene,
  program: string,
  play: (t: Test, turn: Turn) => Promise<void>,
): Promise<void> {
  if ((await programFor(t, program)) === null) return
  const key = await gateway.mint({ tenant: program, scopes: ['generic:read'], flags: ['--create-tenant'] })
  const machine = await newMachine(t)
  const version = /\d+\.\d+[.\d]*/.exec((await machine.run(program, ['--version'])).stdout)?.[0] ?? ''
  await play(t, {
    machine,
    program,
    key,
    upstream,
    url: `${gateway.proxyUrl}/generic/tool/1.0.0/tool-1.0.0.tar.gz`,
    report: new Report(program, version),
    used: () => who(gateway, 'pkg:generic/tool@1.0.0', program),
  })
}

async function tryCurl(t: Test, { machine, program, key, url, report, used }: Turn): Promise<void> {
  const config = await machine.write('curl.conf', `header = "Authorization: Bearer ${key}"\n`)
  const curl = (...args: readonly string[]) => machine.run(program, ['-fsS', '-K', config, ...args])
  t.equal((await curl('-o', 'whole', url)).code, 0)
  t.equal(await hashOf(machine, 'whole'), SHA256)
  t.strictSame(await used(), { download: 1 })
  report.note('login')
  report.note('install')
  report.note('identified')
  const cut = await curl('-o', 'part', `${url}?cut=1`)
  t.equal(cut.code, 18, 'told that a part is missing')
  t.equal((await curl('-C', '-', '-o', 'part', url)).code, 0)
  t.equal(await hashOf(machine, 'part'), SHA256)
  t.strictSame(await used(), { download: 1, partial: 2 }, 'what was cut, and the rest of it')
  report.note('resume', 'with -C -')
  // A validator that does not fit: the whole file comes, in place of a part of another.
  const other = await curl(
    '-r',
    '100-199',
    '-H',
    'If-Range: "other"',
    '-o',
    'other',
    '-w',
    '%{http_code}',
    url,
  )
  t.match(other.stdout, /^20[06]$/)
}

async function tryWget(t: Test, { machine, program, key, url, report, used }: Turn): Promise<void> {
  const wget = (...args: readonly string[]) =>
    machine.run(program, ['-q', '--tries=1', `--header=Authorization: Bearer ${key}`, ...args])
  const cut = await wget('-O', 'part', `${url}?cut=2`)
  t.not(cut.code, 0)
  t.equal((await wget('-c', '-O', 'part', url)).code, 0)
  t.equal(await hashOf(machine, 'part'), SHA256)
  t.strictSame(await used(), { partial: 2 })
  t.equal((await wget('-O', 'whole', url)).code, 0)
  t.strictSame(await used(), { download: 1, partial: 2 })
  for (const feature of ['login', 'install', 'identified'] as const) report.note(feature)
  report.note('resume', 'with -c')
}

/** Ranges at once: one download to its user, many entries in the log, of which none is the whole file. */
async function tryAria2(t: Test, turn: Turn): Promise<void> {
  const { machine, program, key, url, report, upstream, used } = turn
  const before = upstream.requests
  const done = await machine.run(program, [
    '--quiet',
    '--no-conf',
    `--header=Authorization: Bearer ${key}`,
    '--split=4',
    '--max-connection-per-server=4',
    '--min-split-size=1M',
    '--out=ranges',
    url,
  ])
  t.equal(done.code, 0, 'it downloads', done)
  t.equal(await hashOf(machine, 'ranges'), SHA256)
  const requests = upstream.requests - before
  const { download = 0, partial = 0, ...rest } = await used()
  t.strictSame(rest, {}, 'nothing but downloads')
  t.equal(download + partial, requests, 'an entry for each request')
  t.ok(partial >= 3, 'its ranges are parts', { download, partial })
  for (const feature of ['login', 'install', 'identified'] as const) report.note(feature)
  report.note('resume', 'ranges from the start')
}

async function hashOf(machine: Machine, file: string): Promise<string> {
  return sha256(await readFile(join(machine.project, file)))
}
