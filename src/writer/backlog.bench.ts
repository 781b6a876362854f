import { fork, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { testDatabase } from '../test/database.ts'
import { BatchError } from './database/failure.ts'
import { Ledger } from '../channel/ledger.ts'
import { Spill } from './spill/spill.ts'
import { benchEntry, ToldChannel } from '../test/bench.ts'
import { Writer } from './writer.ts'

// A gateway that finds a million spilled entries of a dead process: how soon it is ready, and how far live entries lag behind
// while it replays them under a steady load. Takes a minute:
// node dist/test/with-postgres.js -- node dist/writer/backlog.bench.js

const BACKLOG = 1_000_000
const PER_SECOND = 1000

t.setTimeout(600_000)
const FILE = fileURLToPath(import.meta.url)

if (process.argv[2] === 'spill') await spillBacklog(process.argv[3] ?? '')
else
  t.test('a backlog of a million spilled entries', { timeout: 600_000 }, async (t) => {
    const { sql, url } = await testDatabase(t)
    const stateDir = mkdtempSync(join(tmpdir(), 'waybill-bench-'))
    t.teardown(() => rmSync(stateDir, { recursive: true, force: true }))
    const directory = join(stateDir, 'spill')
    mkdirSync(directory)
    const [status] = (await once(fork(FILE, ['spill', directory]), 'exit')) as [number | null]
    t.equal(status, null, 'the process that spilled them was killed')

    const upstream = createServer((_, res) => res.end('x'.repeat(1024))).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    t.teardown(() => upstream.close())
    const config = join(stateDir, 'waybill.yaml')
    const { port } = upstream.address() as AddressInfo
    const route = {
      name: 'open',
      kind: 'generic',
      path: '/',
      upstream: `http://127.0.0.1:${port}`,
      auth: 'public',
    }
    const listener = { host: '127.0.0.1', port: 0 }
    writeFileSync(config, JSON.stringify({ listen: listener, admin: listener, stateDir, routes: [route] }))
    const startedTick = performance.now()
    const gateway = spawn(process.execPath, [join(FILE, '../../main.js'), 'serve', '--config', config], {
      env: {
        PATH: process.env['PATH'],
        DATABASE_URL: url,
        WAYBILL_WORKERS: '1',
        WAYBILL_ACCESS_LOG_CANARY_INTERVAL_MS: '0',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    t.teardown(() => gateway.kill('SIGKILL'))
    const { proxyUrl, adminUrl } = await addressesOf(gateway.stderr)
    while (!(await fetch(`${adminUrl}/readyz`)).ok) await sleep(10)
    t.comment(`ready ${Math.round(performance.now() - startedTick)} ms after its start`)

    const readyTick = performance.now()
    const load = startLoad(proxyUrl)
    const lagsMs: number[] = []
    let stored = 0
    while (stored < BACKLOG) {
      await sleep(50)
      const { accessLog } = (await (await fetch(`${adminUrl}/api/overview`)).json()) as Overview
      lagsMs.push(accessLog.oldestUnflushedAgeMs)
      if (lagsMs.length % 20 === 0) stored = await countReplayed(sql)
    }
    const seconds = (performance.now() - readyTick) / 1000
    const sent = await load.stop()
    lagsMs.sort((a, b) => a - b)
    const at = (share: number): string =>
      `${Math.round(lagsMs[Math.floor(share * (lagsMs.length - 1))] ?? 0)} ms`
    t.comment(`replayed in ${seconds.toFixed(1)} s, ${Math.round(BACKLOG / seconds)} entries a second`)
    t.comment(
      `beside ${sent} live requests; oldest live entry: p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`,
    )
    gateway.kill('SIGTERM')
    await once(gateway, 'exit')
    const [row] = await sql<{ n: number; twice: number }[]>`
      SELECT count(*)::int AS n, (count(*) - count(DISTINCT (instance, seq)))::int AS twice FROM access_log`
    t.same(row, { n: BACKLOG + sent, twice: 0 }, 'each entry is there, once')
  })

interface Overview {
  readonly accessLog: { readonly oldestUnflushedAgeMs: number }
}

async function countReplayed(sql: Awaited<ReturnType<typeof testDatabase>>['sql']): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    SELECT coalesce(sum(entries), 0)::int AS n FROM access_ledger
    WHERE instance = (SELECT instance FROM access_ledger WHERE batch = 1 ORDER BY entries DESC LIMIT 1)`
  return row?.n ?? 0
}

/** Requests at a steady rate, until it is stopped: resolves then with their number. */
function startLoad(url: string): { stop: () => Promise<number> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  const state = { sent: 0, isStopped: false }
  const send = (): Promise<void> =>
    new Promise((resolve, reject) => {
      state.sent++
      const req = request(url, { agent }, (res) => res.resume().once('end', resolve))
      req.once('error', reject).end()
    })
  const run = async (): Promise<void> => {
    const startedTick = performance.now()
    const pending: Promise<void>[] = []
    while (!state.isStopped) {
      await sleep(1)
      const missing = ((performance.now() - startedTick) / 1000) * PER_SECOND - state.sent
      for (let i = 0; i < missing; i++) pending.push(send())
    }
    await Promise.all(pending)
    agent.destroy()
  }
  const running = run()
  return {
    stop: async () => {
      state.isStopped = true
      await running
      return state.sent
    },
  }
}

async function addressesOf(stderr: NodeJS.ReadableStream): Promise<{ proxyUrl: string; adminUrl: string }> {
  for await (const text of createInterface({ input: stderr })) {
    const line = parse(text)
    if (line.proxy === undefined || line.admin === undefined) continue
    stderr.resume()
    const urlOf = ({ host, port }: { host: string; port: number }): string => `http://${host}:${port}`
    return { proxyUrl: urlOf(line.proxy), adminUrl: urlOf(line.admin) }
  }
  throw new Error('the gateway ended')
}

interface Line {
  readonly proxy?: { readonly host: string; readonly port: number }
  readonly admin?: { readonly host: string; readonly port: number }
}

function parse(text: string): Line {
  try {
    return JSON.parse(text) as Line
  } catch {
    return {}
  }
}

/** The part of the child: a million entries into the spill, and a death without a farewell. */
async function spillBacklog(directory: string): Promise<void> {
  const ledger = new Ledger()
  const channel = new ToldChannel({ capacityEntries: 65_536, capacityBytes: 1e9, ledger })
  channel.toldFill = 1
  const logger = { info: () => {}, warn: () => {}, error: () => {} }
  const instance = randomUUID()
  const away = async (): Promise<never> => {
    throw new BatchError('away', { code: 'ECONNREFUSED', kind: 'retry' })
  }
  const writer = new Writer({
    channel,
    ledger,
    store: { store: away, storedAmong: away, probe: away, close: async () => {}, destroy: () => {} },
    ensurePartitions: async () => {},
    spill: new Spill({ directory, instance, maxBytes: 1e10, syncIntervalMs: 100, logger }),
    instance,
    options: {
      flushEntries: 128,
      flushIntervalMs: 2000,
      // As in an outage: what came while the last batch was written.
      maxBatchEntries: 512,
      maxBatchBytes: 4 * 1024 * 1024,
      backoffMinMs: 1000,
      backoffMaxMs: 5000,
    },
    logger,
  })
  writer.start()
  for (let pushed = 0; pushed < BACKLOG;) {
    while (pushed < BACKLOG && channel.size < 10_000) channel.push(benchEntry(pushed++))
    await sleep(1)
  }
  while (ledger.totals.spilled < BACKLOG) await sleep(5)
  process.kill(process.pid, 'SIGKILL')
}
