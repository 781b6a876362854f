import type { IncomingHttpHeaders } from 'node:http'
import { within } from '../lib/time/within.ts'
import { apiHandlers, type ApiHandler } from './api.ts'
import type { Overview } from './overview.ts'
import { DeadlineError } from './problem.ts'
import type { AdminQueries } from './queries.ts'

/** One reason why the gateway is not ready, or not healthy. `code` is stable, `detail` for people. */
export interface StateReason {
  readonly code: string
  readonly detail: string
}

/** From memory, or from the memory of workers within a second. */
type Soon<T> = T | Promise<T>

/** Where the answers come from. Functions are called for each request. */
export interface AdminSources {
  readonly health: () => Soon<{ readonly healthy: boolean; readonly reasons: readonly StateReason[] }>
  readonly readiness: () => Soon<{
    readonly ready: boolean
    readonly reasons: readonly StateReason[]
    /** What is wrong although traffic may come. */
    readonly warnings?: readonly StateReason[]
  }>
  /** In the format for who sends this field Accept; '' for none. */
  readonly metrics: (accept: string) => Promise<{ readonly contentType: string; readonly body: string }>
  readonly overview: () => Soon<Overview>
  readonly queries: AdminQueries
  /** Longest wait for an answer from the database. */
  readonly queryTimeoutMs: number
}

export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Answers GET and HEAD of one path. `gone` fires when the client has left. */
export type Handler = (
  query: URLSearchParams,
  gone: AbortSignal,
  headers: IncomingHttpHeaders,
) => Answer | Promise<Answer>

/** All paths of the admin listener but those of the console. */
export function adminHandlers(sources: AdminSources): ReadonlyMap<string, Handler> {
  const handlers = new Map<string, Handler>([
    ['/healthz', () => healthAnswer(sources)],
    ['/readyz', () => readinessAnswer(sources)],
    [
      '/metrics',
      async (_query, _gone, { accept = '' }) => ({ status: 200, ...(await sources.metrics(accept)) }),
    ],
    [
      '/api/overview',
      async () => {
        // In this order: what is wrong with the figures is among the warnings.
        const overview = await sources.overview()
        return json(200, { ...(await sources.readiness()), ...overview })
      },
    ],
  ])
  for (const [path, handler] of apiHandlers(sources.queries)) {
    handlers.set(path, async (query, gone) => {
      // The statement timeout does not help against a server that is frozen or out of reach.
      return json(200, await withDeadline(handler, query, { gone, timeoutMs: sources.queryTimeoutMs }))
    })
  }
  return handlers
}

async function healthAnswer(sources: AdminSources): Promise<Answer> {
  const health = await sources.health()
  return health.healthy
    ? { status: 200, contentType: 'text/plain; charset=utf-8', body: 'ok\n' }
    : json(503, health)
}

async function readinessAnswer(sources: AdminSources): Promise<Answer> {
  const readiness = await sources.readiness()
  return json(readiness.ready ? 200 : 503, readiness)
}

function json(status: number, value: unknown): Answer {
  const body = JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? String(part) : part,
  )
  return { status, contentType: 'application/json', body: `${body}\n` }
}

async function withDeadline(
  handler: ApiHandler,
  query: URLSearchParams,
  bounds: { readonly gone: AbortSignal; readonly timeoutMs: number },
): Promise<unknown> {
  const ended = new AbortController()
  const late = (): never => {
    throw new DeadlineError()
  }
  try {
    const { gone: signal, timeoutMs: ms } = bounds
    return await within(Promise.resolve(handler(query, ended.signal)), { ms, signal, late })
  } finally {
    ended.abort() // a report of many statements stops after the one under way
  }
}
