import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { programFor } from '../harness/program.ts'
import { generated, sendBytes, startUpstream, type TestUpstream } from '../harness/upstream.ts'
import { befall, type Fault, type Strike } from './harness/fault.ts'
import { sha256 } from './harness/file-server.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { Report } from './harness/report.ts'
import { assertEndsWithKey } from './harness/revocation.ts'
import { startScene, type Scene } from './harness/scene.ts'
import {
  assertAllCounted,
  assertKeysRefused,
  assertRefused,
  limitedKey,
  revokedKey,
} from './harness/trial.ts'
import { who } from './harness/who.ts'

const SIZE = 4 * 1024 * 1024
const PART = 1024 * 1024
const SHA256 = sha256(generated(0, SIZE))

/** For sixteen ranges of a mebibyte or more: aria2 makes none smaller. */
const ARIA2_SIZE = 17 * 1024 * 1024

interface FileScene extends Scene {
  readonly upstream: TestUpstream
  /** Has something happen to the next answer that holds the file. */
  readonly strike: (fault: Fault) => Promise<void>
}

/** A program on its turn: a tenant, a key and a machine of its own. */
interface Turn extends FileScene {
  readonly machine: Machine
  readonly program: string
  readonly key: string
  readonly url: string
  readonly report: Report
  /** Requests by what they were, of the file and this tenant. */
  readonly used: () => Promise<Record<string, number>>
}

t.test('plain files are downloaded whole, in parts, and from where they broke off', async (t) => {
  let cuts = 0
  let struck: Strike | null = null
  const upstream = await startUpstream(t, {
    '/tool/1.0.0/tool-1.0.0.tar.gz': async (req, res, url) => {
      if (!url.searchParams.has('size')) url.searchParams.set('size', String(SIZE))
      if (struck !== null) befall(res, struck)
      struck = null
      const isCut = url.searchParams.get('cut') === String(cuts + 1)
      if (!isCut) return sendBytes(req, res, url)
      cuts++
      res.writeHead(200, { 'content-length': SIZE, 'accept-ranges': 'bytes', etag: `"${SIZE}"` })
      res.write(generated(0, PART), () => res.destroy())
    },
  })
  const { db, gateway } = await startScene(t, { kind: 'generic', upstream: upstream.url })
  const strike = (fault: Fault): Promise<void> =>
    new Promise((reached) => {
      struck = { ...fault, reached }
    })
  const scene: FileScene = { db, gateway, upstream, strike }
  await t.test('curl', (t) => onTurn(t, scene, 'curl', tryCurl))
  await t.test('wget', (t) => onTurn(t, scene, 'wget', tryWget))
  await t.test('aria2', (t) => onTurn(t, scene, 'aria2c', tryAria2))
  await assertAllCounted(t, db, [gateway], [{ seen: Array.from({ length: upstream.requests }) }])
})

async function onTurn(
  t: Test,
  scene: FileScene,
  program: string,
  play: (t: Test, turn: Turn) => Promise<void>,
): Promise<void> {
  if ((await programFor(t, program)) === null) return
  const { gateway } = scene
  const key = await gateway.mint({ tenant: program, scopes: ['generic:read'], flags: ['--create-tenant'] })
  const machine = await newMachine(t)
  const version = /\d+\.\d+[.\d]*/.exec((await machine.run(program, ['--version'])).stdout)?.[0] ?? ''
  await play(t, {
    ...scene,
    machine,
    program,
    key,
    url: `${gateway.proxyUrl}/generic/tool/1.0.0/tool-1.0.0.tar.gz`,
    report: new Report(program, version),
    used: () => who(gateway, 'pkg:generic/tool@1.0.0', program),
  })
}

async function tryCurl(t: Test, turn: Turn): Promise<void> {
  const { gateway, machine, program, key, url, report, used } = turn
  const config = machine.placeOf('~/.config/waybill.curl')
  await machine.setUp(gateway, 'curl', 'generic', key)
  report.note('setup')
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
  const revoked = await revokedKey(gateway, 'curl', 'generic:read')
  const show = async (as: string): ReturnType<Machine['run']> => {
    await machine.setUp(gateway, 'curl', 'generic', as)
    return machine.run(program, ['-sS', '--fail-with-body', '-K', config, url])
  }
  if (await assertKeysRefused(t, revoked, show)) report.note('refused', 'the body, with --fail-with-body')
  const limited = await limitedKey(gateway, 'curl', 'generic:read')
  await show(limited)
  if (assertRefused(t, await show(limited), /rate limit/)) report.note('limited')
  const last = await gateway.mint({ tenant: 'curl', scopes: ['generic:read'] })
  await machine.setUp(gateway, 'curl', 'generic', last)
  const attempt = (): ReturnType<Machine['run']> =>
    machine.run(program, ['-sS', '--fail-with-body', '-K', config, '-o', 'ended', url])
  // The sentence is in the file.
  await assertEndsWithKey(t, turn, report, {
    key: last,
    strike: turn.strike,
    attempt,
    says: /transfer closed with \d+ bytes remaining/,
    saysAgain: /401/,
  })
}

async function tryWget(t: Test, turn: Turn): Promise<void> {
  const { gateway, machine, program, key, url, report, used } = turn
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
  // With -nv it does not say why at 401.
  const show = (as: string): ReturnType<Machine['run']> =>
    machine.run(program, [
      '--progress=dot:giga',
      '--tries=1',
      `--header=Authorization: Bearer ${as}`,
      '-O',
      'shown',
      url,
    ])
  const revoked = await revokedKey(gateway, 'wget', 'generic:read')
  if (await assertKeysRefused(t, revoked, show)) report.note('refused')
  const limited = await limitedKey(gateway, 'wget', 'generic:read')
  await show(limited)
  if (assertRefused(t, await show(limited), /rate limit/)) report.note('limited')
  const last = await gateway.mint({ tenant: 'wget', scopes: ['generic:read'] })
  const says = /Read error at byte \d+|Connection closed at byte \d+|Giving up/
  await assertEndsWithKey(t, turn, report, {
    key: last,
    strike: turn.strike,
    attempt: () => show(last),
    says,
  })
}

/** Sixteen ranges at once: one download to its user, as many entries in the log, of which one at most is the whole file. */
async function tryAria2(t: Test, turn: Turn): Promise<void> {
  const { db, gateway, machine, key, report, upstream, used } = turn
  const before = upstream.requests
  const done = await aria2(turn, key, 'ranges')
  t.equal(done.code, 0, 'it downloads', done)
  t.equal(await hashOf(machine, 'ranges'), sha256(generated(0, ARIA2_SIZE)))
  const requests = upstream.requests - before
  const { download = 0, partial = 0, ...rest } = await used()
  t.strictSame(rest, {}, 'nothing but downloads')
  t.equal(download + partial, requests, 'an entry for each request')
  // The first asks for all of it, and is left when its own part has come, or when all of it lies in buffers.
  t.ok(download <= 1 && requests >= 16, 'its ranges are parts', { download, partial })
  const rows = await db.query<{ package: string | null; version: string | null }>(
    `SELECT DISTINCT package, version FROM access_log WHERE tenant = 'aria2c' AND status IN (200, 206)`,
  )
  t.strictSame(rows, [{ package: 'tool', version: '1.0.0' }], 'each of them is identified')
  for (const feature of ['login', 'install', 'identified'] as const) report.note(feature)
  report.note('resume', 'ranges from the start')

  // More than may come at once: those above are refused, each with its entry; it goes on with the connections that it has.
  const limited = await limitedKey(gateway, 'aria2c', 'generic:read', 5)
  const fewer = await aria2(turn, limited, 'limited')
  if (fewer.code === 0) t.equal(await hashOf(machine, 'limited'), sha256(generated(0, ARIA2_SIZE)))
  const where = `tenant = 'aria2c-limited'`
  await waitForEntries(db, 6, { where })
  const counts = await db.query<{ served: number; refused: number; others: number }>(
    `SELECT count(*) FILTER (WHERE status IN (200, 206))::int AS served, count(*) FILTER (WHERE status = 429)::int AS refused,
       count(*) FILTER (WHERE status NOT IN (200, 206, 429))::int AS others FROM access_log WHERE ${where}`,
  )
  t.match(counts, [{ served: 5, others: 0 }], 'as many as may come at once are served')
  t.ok((counts[0]?.refused ?? 0) > 0, 'the others are refused', { counts })
  report.note('limited', 'goes on with fewer connections')
}

function aria2({ machine, program, url }: Turn, key: string, out: string): ReturnType<Machine['run']> {
  return machine.run(program, [
    '--quiet',
    '--no-conf',
    `--header=Authorization: Bearer ${key}`,
    '--split=16',
    '--max-connection-per-server=16',
    '--min-split-size=1M',
    '--max-tries=1',
    `--out=${out}`,
    `${url}?size=${ARIA2_SIZE}`,
  ])
}

async function hashOf(machine: Machine, file: string): Promise<string> {
  return sha256(await readFile(join(machine.project, file)))
}
