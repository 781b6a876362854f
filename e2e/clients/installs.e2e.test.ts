import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { assertAllStored } from '../harness/accounting.ts'
import { plainEnv } from '../harness/child.ts'
import { testDatabase } from '../harness/database.ts'
import { startGateway } from '../harness/gateway.ts'
import { startUpstream } from '../harness/upstream.ts'
import { startGuard, type GuardedHandler } from './harness/guard.ts'
import type { Outcome, Task } from './harness/installer.ts'
import { machineFor, NPM_CLIENTS } from './harness/npm-clients.ts'
import { pack, packument, type PackedPackage } from './harness/npm-packages.ts'

// Cold installs at once of one tree, while another tenant goes on with its work. `make bench-installs` runs it with 100 installs of 200
// packages; CI with few. Most are a loop that does what npm does: a hundred npm do not fit a machine of two cores. Some are npm itself.
// Whoever installs takes the machine from the other tenant too. So the same loops go a second time, to a copy of the repository and
// not through the gateway: what the other tenant's requests take then is the machine's part.

const [INSTALLS = 4, PACKAGES = 40, REAL = 1] = (process.env['WAYBILL_INSTALLS'] ?? '4x40x1')
  .split('x')
  .map(Number)
const FILE_BYTES = 20_000
const PROCESSES = 2
const PROBES_PER_SECOND = 50
const QUIET_MS = INSTALLS > 10 ? 15_000 : 2000
const SCRIPT = fileURLToPath(new URL('./harness/installer.js', import.meta.url))

t.test(
  'many cold installs at once: an entry for each request, and not a byte around the gateway',
  async (t) => {
    const db = await testDatabase(t)
    const tree = new Map<string, PackedPackage>()
    for (let n = 0; n < PACKAGES; n++) tree.set(nameOf(n), packNode(n))
    let origin = ''
    const guard = await startGuard(
      t,
      serve(tree, () => origin),
    )
    origin = guard.url.slice(0, -1)
    // The same repository, which the gateway does not know.
    let copyOrigin = ''
    const copy = await startGuard(
      t,
      serve(tree, () => copyOrigin),
    )
    copyOrigin = copy.url.slice(0, -1)
    const other = await startUpstream(t)
    const { url: upstream, upstreamAuth } = guard
    const gateway = await startGateway(t, {
      databaseUrl: db.url,
      config: {
        routes: [
          { name: 'npm', kind: 'npm', path: '/npm/', upstream, upstreamAuth },
          { name: 'other', kind: 'generic', path: '/other/', upstream: other.url },
        ],
      },
    })
    const key = await gateway.mint({ tenant: 'builds', scopes: ['npm:read'], flags: ['--create-tenant'] })
    const probeKey = await gateway.mint({
      tenant: 'other',
      scopes: ['other:read'],
      flags: ['--create-tenant'],
    })
    const probe = {
      do: 'probe',
      url: `${gateway.proxyUrl}/other/ok`,
      key: probeKey,
      perSecond: PROBES_PER_SECOND,
    } as const

    const quiet = await startTask(t, { ...probe, forMs: QUIET_MS }).outcome
    const [npm] = NPM_CLIENTS
    /** All installs at once, the loops from that registry, npm itself through the gateway. */
    const installFrom = async (registry: string, bearer: string): Promise<Round> => {
      const during = startTask(t, { ...probe, forMs: null })
      const startTick = performance.now()
      const share = { do: 'install', registry, key: bearer, root: nameOf(0) } as const
      const loops = Array.from({ length: PROCESSES }, () =>
        startTask(t, { ...share, installs: Math.floor((INSTALLS - REAL) / PROCESSES) }),
      )
      const real = Array.from({ length: REAL }, async () => {
        if (npm === undefined) throw new Error('npm is not among the clients')
        const machine = await machineFor(t, gateway, npm, { key, dependencies: { [nameOf(0)]: '1.0.0' } })
        return machine.run('npm', npm.persist, { timeoutMs: 600_000 })
      })
      const outcomes = await Promise.all(loops.map(({ outcome }) => outcome))
      const loopsMs = performance.now() - startTick
      for (const { code, stderr } of await Promise.all(real)) t.equal(code, 0, 'npm installs', { stderr })
      during.child.send('stop')
      return { outcomes, loopsMs, other: await during.outcome }
    }
    const through = await installFrom(`${gateway.proxyUrl}/npm/`, key)
    const past = await installFrom(copy.url, copy.upstreamAuth.bearer)

    const looped = Math.floor((INSTALLS - REAL) / PROCESSES) * PROCESSES
    for (const { outcomes } of [through, past]) {
      const asked = outcomes.reduce((sum, { requests }) => sum + requests, 0)
      t.equal(asked, looped * PACKAGES * 2, 'each install asked for each document and each file')
      t.strictSame(
        outcomes.map(({ failed }) => failed),
        [0, 0],
        'all came, with the hashes of the registry',
      )
    }
    t.equal(guard.passed.length, (looped + 2 * REAL) * PACKAGES * 2, 'so did those of npm, both times')
    t.equal(copy.passed.length, looped * PACKAGES * 2)
    t.strictSame([...guard.around, ...copy.around], [], 'nothing went around the gateway')
    const probes = [quiet, through.other, past.other]
    t.strictSame(
      probes.map(({ failed }) => failed),
      [0, 0, 0],
      'the other tenant was served',
    )
    t.equal(
      probes.reduce((sum, { requests }) => sum + requests, 0),
      other.requests,
    )
    await assertAllStored(t, db, [gateway], guard.passed.length + other.requests)

    t.comment(
      `${looped} loops and ${REAL} npm, ${PACKAGES} packages: ${guard.passed.length} requests, rows the same`,
    )
    t.comment(`through the gateway ${speedOf(through)}; to the copy ${speedOf(past)}`)
    for (const { outcomes } of [through, past])
      for (const line of outcomes.flatMap(({ broken }) => broken).slice(0, 20)) t.comment(`broke: ${line}`)
    t.comment(`the other tenant, ${PROBES_PER_SECOND}/s, before:  ${told(quiet)}`)
    t.comment(`the other tenant, installs through the gateway:  ${told(through.other)}`)
    t.comment(`the other tenant, installs past the gateway:  ${told(past.other)}`)
    const ratio = at(through.other, 0.99) / at(past.other, 0.99)
    t.comment(`p99 with the installs through the gateway ÷ past it: ${ratio.toFixed(2)}`)
  },
)

/** What all installs at once came to. */
interface Round {
  readonly outcomes: readonly Outcome[]
  readonly loopsMs: number
  /** Of the other tenant, meanwhile. */
  readonly other: Outcome
}

function speedOf({ outcomes, loopsMs }: Round): string {
  const asked = outcomes.reduce((sum, { requests }) => sum + requests, 0)
  return `${(loopsMs / 1000).toFixed(1)} s: ${Math.round((asked * 1000) / loopsMs)} requests/s`
}

function nameOf(n: number): string {
  return `tree-${n}`
}

/** A package that depends on two others, until there are no more. */
function packNode(n: number): PackedPackage {
  const below = [2 * n + 1, 2 * n + 2].filter((child) => child < PACKAGES)
  const dependencies = Object.fromEntries(below.map((child) => [nameOf(child), '1.0.0']))
  return pack({ name: nameOf(n), version: '1.0.0', dependencies, ballastBytes: FILE_BYTES })
}

function serve(tree: ReadonlyMap<string, PackedPackage>, origin: () => string): GuardedHandler {
  return ({ url = '' }, res) => {
    const [, name = '', dash] = url.split('/')
    const packed = tree.get(name)
    if (packed === undefined) res.writeHead(404).end()
    else if (dash === '-') {
      res.writeHead(200, {
        'content-type': 'application/octet-stream',
        'content-length': packed.tarball.length,
      })
      res.end(packed.tarball)
    } else {
      res.writeHead(200, { 'content-type': 'application/vnd.npm.install-v1+json' })
      res.end(JSON.stringify(packument(packed, origin())))
    }
  }
}

function startTask(
  t: Test,
  task: Task,
): { readonly child: ChildProcess; readonly outcome: Promise<Outcome> } {
  const child = fork(SCRIPT, [JSON.stringify(task)], { env: plainEnv(), execArgv: [] })
  const exit = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exit
  })
  const failed = exit.then(([code]) => {
    throw new Error(`the installer ended with ${String(code)} before it told its outcome`)
  })
  failed.catch(() => {})
  const outcome = Promise.race([once(child, 'message'), failed]).then(([told]) => told as Outcome)
  return { child, outcome }
}

function at({ durationsMs }: Outcome, share: number): number {
  return durationsMs[Math.min(durationsMs.length - 1, Math.floor(durationsMs.length * share))] ?? 0
}

function told(outcome: Outcome): string {
  const ms = (share: number): string => `${at(outcome, share).toFixed(1)} ms`
  return `${outcome.requests} requests, p50 ${ms(0.5)}, p99 ${ms(0.99)}, longest ${ms(1)}`
}
