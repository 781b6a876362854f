import { createHash } from 'node:crypto'
import type { Test } from 'tap'
import { request, type Answer } from '../harness/client.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { startUpstream, type TestUpstream, type UpstreamHandler } from '../harness/upstream.ts'

/** Bytes of all values, and none that UTF-8 would keep. */
export const BINARY = Buffer.from(Array.from({ length: 10_000 }, (_, i) => (i * 7) & 0xff))

/** What the scripted upstream is told, and tells. */
export interface Script {
  /** Bodies by which `/pay` was called, in their order. */
  readonly paid: string[]
  /** Statuses that `/pay` answers next; 201 after them. */
  readonly statuses: number[]
  /** `/pay` answers when this has resolved. */
  gate: Promise<void>
}

/** A gateway with routes that heed keys, its upstream, and a key of the tenant acme. */
export interface Scene {
  readonly db: TestDatabase
  readonly gateway: TestGateway
  readonly upstream: TestUpstream
  readonly script: Script
  readonly key: string
  /** Starts another gateway on the same database. */
  readonly beside: () => Promise<TestGateway>
  /** POST /api/pay with a key and a body. */
  readonly pay: (idempotencyKey: string | null, body?: string | Buffer, more?: Pay) => Promise<Answer>
}

export interface Pay {
  readonly gateway?: TestGateway
  readonly path?: string
  readonly method?: string
  readonly key?: string
}

/** `more`: keys of `idempotency` of the route `api`; the route `loose` goes on without a database. */
export async function scene(t: Test, more: object = {}, databaseUrl?: (db: TestDatabase) => Promise<string>) {
  const db = await testDatabase(t)
  const script: Script = { paid: [], statuses: [], gate: Promise.resolve() }
  const upstream = await startUpstream(t, handlers(script))
  const route = { kind: 'generic', upstream: upstream.url }
  const config = {
    routes: [
      { ...route, name: 'api', path: '/api/', idempotency: { maxAnswerBytes: '64KiB', ...more } },
      { ...route, name: 'loose', path: '/loose/', idempotency: { whenUnknown: 'forward' } },
      { ...route, name: 'strict', path: '/strict/', idempotency: { required: true, methods: ['PUT'] } },
    ],
    accessLog: { flushIntervalMs: 50 },
  }
  const url = databaseUrl === undefined ? db.url : await databaseUrl(db)
  const start = (): Promise<TestGateway> => startGateway(t, { databaseUrl: url, config })
  const gateway = await start()
  const scopes = ['api', 'loose', 'strict'].flatMap((name) => [`${name}:read`, `${name}:write`])
  const key = await gateway.mint({ tenant: 'acme', scopes })
  const pay: Scene['pay'] = async (idempotencyKey, body = '{"amount":1}', asked = {}) =>
    await request(`${(asked.gateway ?? gateway).proxyUrl}${asked.path ?? '/api/pay'}`, {
      method: asked.method ?? 'POST',
      key: asked.key ?? key,
      headers: idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey },
      body,
    })
  const scenery: Scene = { db, gateway, upstream, script, key, beside: start, pay }
  return scenery
}

function handlers(script: Script): Readonly<Record<string, UpstreamHandler>> {
  return {
    '/pay': async (req, res) => {
      const hash = createHash('sha256')
      for await (const piece of req as AsyncIterable<Buffer>) hash.update(piece)
      script.paid.push(hash.digest('hex'))
      const n = script.paid.length
      await script.gate
      const headers = { 'content-type': 'application/json', 'x-paid': String(n), 'set-cookie': `s=${n}` }
      res.writeHead(script.statuses.shift() ?? 201, headers).end(JSON.stringify({ n }))
    },
    '/binary': (req, res) => {
      req.resume()
      res.writeHead(200, { 'content-type': 'application/octet-stream' })
      // In chunks.
      res.write(BINARY.subarray(0, 100))
      res.end(BINARY.subarray(100))
    },
    '/large': (req, res) => {
      req.resume()
      res.end(Buffer.alloc(100_000, 'x'))
    },
    '/empty': (req, res) => {
      req.resume()
      res.writeHead(204).end()
    },
    '/broken': (req, res) => {
      req.resume()
      res.writeHead(200, { 'content-length': 100 })
      res.write('half', () => res.destroy())
    },
  }
}
