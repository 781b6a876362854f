import { request, type IncomingHttpHeaders } from 'node:http'
import type { Test } from 'tap'
import { createLogger } from '../logger/logger.ts'
import { restingStats } from './metric-sources.ts'
import { AdminListener, type AdminDependencies } from '../admin/listener.ts'
import { readOverview } from '../admin/overview.ts'
import type { AdminQueries } from '../admin/queries.ts'

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body as JSON; a SyntaxError when it is none. */
  json(): Record<string, unknown>
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
}

/** Queries against nothing: each answers empty unless replaced. */
export const EMPTY_QUERIES: AdminQueries = {
  parseCursor: () => null,
  entries: async () => ({ entries: [], next: null }),
  tenants: async () => [],
  usage: async function* () {
    yield* []
  },
  audit: async function* () {
    yield* []
  },
  who: () => Promise.reject(new Error('nobody is asked who')),
}

/** For tests: an admin listener on a loopback port, not started, closed on teardown; and what it logs. */
export function makeAdmin(t: Test, changes: Partial<AdminDependencies> = {}) {
  const { sources } = restingStats()
  const logged: string[] = []
  const listener = new AdminListener({
    host: '127.0.0.1',
    port: 0,
    token: '',
    queryTimeoutMs: 5000,
    queries: EMPTY_QUERIES,
    health: () => ({ healthy: true, reasons: [] }),
    readiness: () => ({ ready: true, reasons: [] }),
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: 'up 1\n' }),
    overview: () => readOverview(sources, { version: '1.2.3', instance: 'i', uptimeMs: 5 }),
    logger: createLogger({ level: 'debug', destination: { write: (line) => void logged.push(line) } }),
    loadApi: () => Promise.reject(new Error('nobody asks the API')),
    ...changes,
  })
  t.teardown(() => listener.close())
  return { listener, logged }
}

/** For tests: a started admin listener and what asks it. */
export async function startAdmin(t: Test, changes: Partial<AdminDependencies> = {}) {
  const { listener, logged } = makeAdmin(t, changes)
  const { port } = await listener.start()
  const ask = (path: string, options: AskOptions = {}): Promise<Reply> => askPort(port, path, options)
  return { listener, port, ask, logged }
}

/** One request on a connection of its own. */
export function askPort(port: number, path: string, options: AskOptions = {}): Promise<Reply> {
  const { method = 'GET', headers = {}, body } = options
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text,
          json: () => JSON.parse(text) as Record<string, unknown>,
        })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
