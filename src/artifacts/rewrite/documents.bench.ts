import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { startGateway, testRoute, type TestGateway } from '../../test/gateway.ts'
import type { PeerRole } from '../../test/documents/document-peer.ts'
import { largePackument } from '../../test/documents/large-packument.ts'
import { documentRewriting } from './documents.ts'
import { npmDocuments } from './npm-documents.ts'

// Rewrites an npm document of 50 MB, by the streaming rewriter and as one would without it, then through a gateway whose upstream and
// client are other threads; and tells what a request for a file pays: node dist/artifacts/rewrite/documents.bench.js

const MEGABYTE = 1e6
const SIZE = 50 * MEGABYTE
const PIECE = 65_536
const ROUNDS = 3
const OLD = 'http://127.0.0.1:4873/'
const NEW = 'https://gw.example.com/npm/'
const translate = (address: string): string =>
  address.startsWith(OLD) ? NEW + address.slice(OLD.length) : address

interface Turns {
  readonly ms: number
  readonly cpuMs: number
}

/**
 * Longest turn of the event loop until `stop`, by the clock and by the processor time of the whole process, which others on the machine do
 * not count in: turns follow each other without a pause.
 */
function watchTurns(): { stop: () => Turns } {
  let longest = 0
  let last = performance.now()
  let longestCpu = 0
  let lastCpu = cpuMs()
  let isOver = false
  const turn = (): void => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    const cpu = cpuMs()
    longestCpu = Math.max(longestCpu, cpu - lastCpu)
    lastCpu = cpu
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  return {
    stop: () => {
      isOver = true
      return {
        ms: Math.max(longest, performance.now() - last),
        cpuMs: Math.max(longestCpu, cpuMs() - lastCpu),
      }
    },
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Highest resident set above that of the beginning. */
function watchMemory(): { stop: () => number } {
  const before = process.memoryUsage.rss()
  let highest = before
  const timer = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 5)
  return {
    stop: () => {
      clearInterval(timer)
      return Math.max(highest, process.memoryUsage.rss()) - before
    },
  }
}

interface Row {
  readonly way: string
  readonly ms: number
  readonly turns: Turns
  readonly bytes: number
}

function table(t: Test, rows: readonly Row[], size: number): void {
  t.comment('| way | MB/s | longest turn | in processor time | memory |')
  t.comment('|---|---|---|---|---|')
  for (const { way, ms, turns, bytes } of rows) {
    t.comment(
      `| ${way} | ${(size / MEGABYTE / (ms / 1000)).toFixed(0)} | ${turns.ms.toFixed(1)} ms | ${turns.cpuMs.toFixed(1)} ms | ${(bytes / MEGABYTE).toFixed(0)} MB |`,
    )
  }
}

async function measured(way: string, run: () => Promise<void>): Promise<Row> {
  global.gc?.()
  const memory = watchMemory()
  const turns = watchTurns()
  const startedTick = performance.now()
  await run()
  const ms = performance.now() - startedTick
  return { way, ms, turns: turns.stop(), bytes: memory.stop() }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** The piece of a document that a read of a socket gives, each in a turn of its own. */
async function stream(document: Buffer): Promise<void> {
  const context = { translate } as Parameters<typeof npmDocuments.open>[0]
  const rewriter = npmDocuments.open(context, 'application/json')
  for (let at = 0; at < document.length; at += PIECE) {
    rewriter.push(document.subarray(at, at + PIECE))
    await nextTurn()
  }
  rewriter.end()
  if (rewriter.fault !== null) throw new Error(rewriter.fault)
}

interface Packument {
  readonly versions: Record<string, { dist: { tarball: string } }>
}

async function parse(document: Buffer): Promise<void> {
  const pieces: Buffer[] = []
  for (let at = 0; at < document.length; at += PIECE) {
    pieces.push(Buffer.from(document.subarray(at, at + PIECE)))
    await nextTurn()
  }
  const value = JSON.parse(Buffer.concat(pieces).toString()) as Packument
  for (const { dist } of Object.values(value.versions)) dist.tarball = translate(dist.tarball)
  Buffer.from(JSON.stringify(value))
}

t.test('an npm document of 50 MB, rewritten in this process', { timeout: 120_000 }, async (t) => {
  const document = largePackument(OLD, SIZE)
  const rows: Row[] = []
  for (let round = 0; round < ROUNDS; round++) {
    rows.push(await measured('streaming rewriter', () => stream(document)))
    rows.push(await measured('JSON.parse, JSON.stringify', () => parse(document)))
  }
  table(t, rows, document.length)
})

t.test('the same through a gateway', { timeout: 300_000 }, async (t) => {
  const upstream = peer({ role: 'upstream', size: SIZE })
  const [port, size] = (await message(upstream)) as [number, number]
  const interceptors = [documentRewriting({ maxBytes: 128 * MEGABYTE, malformed: 'refuse', foreign: 'pass' })]
  const gateway = await startGateway(t, { interceptors })
  gateway.apply({ trust: { trustedProxies: null, publicProto: 'https', publicHost: 'gw.example.com' } })
  gateway.setRoutes([
    testRoute(port, { kind: 'npm', path: '/npm/', name: 'npm' }),
    testRoute(port, { kind: 'generic', path: '/plain/', name: 'plain' }),
  ])
  const rows: Row[] = []
  for (const [way, path, coding] of [
    ['passed by a plain route', '/plain/large', 'identity'],
    ['rewritten', '/npm/large', 'identity'],
    ['rewritten, gzip both ways', '/npm/large', 'gzip'],
  ] as const) {
    for (let round = 0; round < ROUNDS; round++) {
      rows.push(await measured(way, () => download(gateway, path, coding, size)))
    }
  }
  table(t, rows, size)
  await upstream.terminate()
})

t.test('a request for a file', { timeout: 300_000 }, async (t) => {
  const step = documentRewriting({ maxBytes: MEGABYTE, malformed: 'refuse', foreign: 'pass' })
  const next = { dispatch: () => ({ leave: () => false }) }
  for (const [kind, path] of [
    ['generic', '/r/left-pad/-/left-pad-1.0.0.tgz'],
    ['npm', '/r/left-pad/-/left-pad-1.0.0.tgz'],
  ] as const) {
    const route = testRoute(1, { kind })
    const chain = step(next, route)
    const asked = { path, addresses: () => null }
    const request = { route, method: 'GET', asked } as unknown as Parameters<typeof chain.dispatch>[0]
    const count = 2_000_000
    let us = Infinity
    for (let round = 0; round < ROUNDS; round++) {
      const startedTick = performance.now()
      for (let i = 0; i < count; i++) chain.dispatch(request, null as never)
      us = Math.min(us, ((performance.now() - startedTick) * 1000) / count)
    }
    t.comment(`${kind}: ${chain === next ? 'no step at all' : 'a step'}, ${us.toFixed(3)} µs a request`)
  }
})

function peer(workerData: PeerRole): Worker {
  return new Worker(new URL('../../test/documents/document-peer.js', import.meta.url), { workerData })
}

function message(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

async function download(gateway: TestGateway, path: string, coding: string, size: number): Promise<void> {
  const client = peer({ role: 'client', port: gateway.port, path, coding, key: gateway.key.text })
  const [status, bytes] = (await message(client)) as [number, number]
  await client.terminate()
  if (status !== 200 || (coding === 'identity' && bytes < size)) throw new Error(`${status}, ${bytes} bytes`)
}
