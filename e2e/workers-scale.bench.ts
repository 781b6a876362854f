import { readFile } from 'node:fs/promises'
import t from 'tap'
import { runCommand } from './harness/child.ts'
import { testDatabase } from './harness/database.ts'
import type { TestGateway } from './harness/gateway.ts'
import { startUpstream } from './harness/upstream.ts'
import { startWorkers, workersOf } from './harness/workers.ts'
import { growthTable, MEASURED } from './workers-growth.ts'

/*
 * CPU per request of one process and of two workers, side by side, all of them on one core, kept busy by wrk, so that what is
 * compared is the work and not who gets which core: `node dist/embedded/with-postgres.js -- node dist/e2e/workers-scale.bench.js`.
 * Needs Linux, wrk and taskset. Then prints the table of docs/scaling.md.
 */

const ROUNDS = 10
const ROUND_SECONDS = 2
/** A worker compiles its hot path after as many requests as a single process, and gets half of them. */
const WARM_UP_SECONDS = 8
const CONNECTIONS = 64
/** /proc counts in hundredths of a second. */
const TICK_US = 10_000

interface Party {
  readonly gateway: TestGateway
  readonly key: string
  readonly pids: readonly number[]
  readonly kept: number[]
  readonly fresh: number[]
}

async function cpuUs(pids: readonly number[]): Promise<number> {
  let sum = 0
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    sum += (Number(fields[11]) + Number(fields[12])) * TICK_US
  }
  return sum
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

async function run(program: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(program, args, { cwd: '/', timeoutMs: 60_000 })
  if (code !== 0) throw new Error(`${program} exited with ${code}: ${stderr}`)
  return stdout
}

/** Loads one gateway; returns its CPU time per request, all processes together. */
async function measure({ gateway, key, pids }: Party, seconds: number, ...more: string[]): Promise<number> {
  const before = await cpuUs(pids)
  const options = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '-H', `X-Api-Key: ${key}`, ...more]
  const out = await run('taskset', '-c', '1', 'wrk', ...options, `${gateway.proxyUrl}/files/ok`)
  if (out.includes('Non-2xx')) throw new Error(out)
  return ((await cpuUs(pids)) - before) / Number(/(\d+) requests in/.exec(out)?.[1])
}

t.test('CPU per request of one process and of two workers', { timeout: 300_000 }, async (t) => {
  const upstream = await startUpstream(t)
  await run('taskset', '-acp', '1', String(process.pid))
  const parties: Party[] = []
  for (const workers of [1, 2]) {
    const gateway = await startWorkers(t, { db: await testDatabase(t), upstream, workers })
    const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
    await gateway.must('tenants', 'set', 'acme', '--rate', '1000000:1000000')
    const pids = [gateway.pid, ...(await workersOf(gateway)).map(({ pid }) => pid)]
    for (const pid of pids) await run('taskset', '-acp', '0', String(pid))
    parties.push({ gateway, key, pids, kept: [], fresh: [] })
    await measure({ gateway, key, pids, kept: [], fresh: [] }, WARM_UP_SECONDS * workers)
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const party of parties) {
      party.kept.push(await measure(party, ROUND_SECONDS))
      party.fresh.push(await measure(party, ROUND_SECONDS, '-H', 'Connection: close'))
    }
  }
  for (const kind of ['kept', 'fresh'] as const) {
    const [one = Number.NaN, two = Number.NaN] = parties.map((party) => median(party[kind]))
    t.comment(
      `${kind} connections: ${one.toFixed(0)} µs in one process, ${two.toFixed(0)} µs with two workers ` +
        `(primary included): two cores give ${((2 * one) / two).toFixed(2)} times one`,
    )
  }
  const [, cluster] = parties
  if (cluster === undefined) throw new Error('there are two')
  const requests = (await workersOf(cluster.gateway)).map((worker) => worker.requests ?? 0)
  const share = Math.max(...requests) / requests.reduce((sum, n) => sum + n, 0)
  t.ok(share < 0.6, `the busier worker did ${(share * 100).toFixed(1)} % of the requests`)
  t.comment(`\n${growthTable(MEASURED)}`)
})
