import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { Test } from 'tap'
import { listenOnLoopback } from '../../harness/loopback.ts'
import { befall, type Fault, type Strike } from './fault.ts'

/** Below this path a guarded repository lives, as below those of Nexus and Artifactory. */
export const BASE = '/repository/npm'

/** A request that came with the gateway's credentials, in the order of arrival. */
export interface Passed {
  readonly method: string
  /** Below the base path, with its query. */
  readonly url: string
}

/**
 * Stands before a repository, lets in who has the gateway's credentials, and refuses and counts everybody else: a client that
 * follows an address around the gateway gets nothing here.
 */
export interface Guard {
  /** The route's `upstream`, with a base path; the repository's documents name this address. */
  readonly url: string
  /** The route's `upstreamAuth`. */
  readonly upstreamAuth: { readonly bearer: string }
  /** Requests that were let in. */
  readonly passed: readonly Passed[]
  /** Paths of requests without the credentials. */
  readonly around: readonly string[]
  /** Has something happen to the body of the next GET whose path ends so. Resolves when it has got so far. */
  strike(pathEnd: string, fault: Fault): Promise<void>
}

/** Answers a request; its `url` has no base path any more, its `Host` is the guard's. */
export type GuardedHandler = (req: IncomingMessage, res: ServerResponse) => void

interface PathStrike extends Strike {
  readonly pathEnd: string
}

const SECRET = 'credentials-of-the-gateway'

/** Starts a guard on loopback; closed on teardown. */
export async function startGuard(t: Test, handler: GuardedHandler): Promise<Guard> {
  const passed: Passed[] = []
  const around: string[] = []
  const strikes: PathStrike[] = []
  const server = createServer((req, res) => {
    const { method = '', url = '/' } = req
    if (req.headers.authorization !== `Bearer ${SECRET}` || !url.startsWith(`${BASE}/`)) {
      around.push(`${method} ${url}`)
      req.resume()
      res.writeHead(403).end('only by way of the gateway\n')
      return
    }
    req.url = url.slice(BASE.length)
    delete req.headers.authorization
    passed.push({ method, url: req.url })
    const at = strikes.findIndex(({ pathEnd }) => method === 'GET' && url.endsWith(pathEnd))
    const [strike] = at === -1 ? [] : strikes.splice(at, 1)
    if (strike !== undefined) befall(res, strike)
    handler(req, res)
  })
  const port = await listenOnLoopback(t, server)
  return {
    url: `http://127.0.0.1:${port}${BASE}/`,
    upstreamAuth: { bearer: SECRET },
    passed,
    around,
    strike: (pathEnd, fault) =>
      new Promise((resolve) => {
        strikes.push({ ...fault, pathEnd, reached: resolve })
      }),
  }
}

/** A handler that hands everything to a server on loopback, which sees the guard's name in `Host`. */
export function handTo(origin: string): GuardedHandler {
  return (req, res) => {
    const { method = 'GET', url = '/', headers } = req
    const onward = httpRequest(new URL(url, origin), { method, headers: { ...headers, connection: 'close' } })
    onward.on('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      pipeline(answer, res).catch(() => res.destroy())
    })
    onward.on('error', () => res.destroy())
    res.on('close', () => onward.destroy())
    pipeline(req, onward).catch(() => onward.destroy())
  }
}
