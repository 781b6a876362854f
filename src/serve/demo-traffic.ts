import { once } from 'node:events'
import { request } from 'node:http'
import type { Clock } from '../lib/time/clock.ts'
import { Periodic } from '../lib/time/periodic.ts'

/** Between the end of a request and the next: less than three a second, so that each can be followed by eye. */
const PAUSE_MS = 350
/** The sample upstreams answer at once; a gateway that stops may not. */
const TIMEOUT_MS = 10_000

/** Whose key a request bears. */
type Bearer = 'demo' | 'limited' | 'nobody'

type Sent = readonly [bearer: Bearer, method: 'GET' | 'POST', path: string]

/** One round: packages, files and webhooks, what fails, what is refused, and more than the second tenant's rate. */
const ROUND: readonly Sent[] = [
  ['demo', 'GET', '/npm/waybill-hello'],
  ['demo', 'GET', '/npm/waybill-hello/-/waybill-hello-1.1.0.tgz'],
  ['demo', 'GET', '/npm/waybill-pad/-/waybill-pad-1.1.0.tgz'],
  ['demo', 'GET', '/npm/@waybill/colors/-/colors-1.1.0.tgz'],
  ['demo', 'GET', '/files/hello.txt'],
  ['demo', 'POST', '/hooks/build'],
  ['limited', 'GET', '/files/hello.txt'],
  ['limited', 'GET', '/files/hello.txt'],
  ['limited', 'GET', '/npm/waybill-pad'],
  ['limited', 'GET', '/files/hello.txt'],
  ['demo', 'GET', '/files/no-such-file'],
  ['demo', 'POST', '/hooks/status/503'],
  ['nobody', 'GET', '/files/hello.txt'],
  ['demo', 'GET', '/no-such-route'],
]

/**
 * Sends requests to a gateway, one at a time, round after round, as two tenants and a stranger would, until the function that it returns is
 * called. What fails is the gateway's to tell: its entries have it.
 */
export function startTraffic(
  origin: string,
  keys: Readonly<Record<Exclude<Bearer, 'nobody'>, string>>,
  clock: Clock,
): () => void {
  let n = 0
  const sends = new Periodic({
    run: async () => {
      const sent = ROUND[n++ % ROUND.length]
      if (sent === undefined) return
      const [bearer, method, path] = sent
      await sendOne(`${origin}${path}`, method, bearer === 'nobody' ? null : keys[bearer])
    },
    intervalMs: PAUSE_MS,
    pace: 'rest',
    clock,
    onFailure: () => {},
  })
  sends.start(0)
  return () => void sends.stop(0)
}

/** Sends a request on a connection of its own; resolves at the end of the answer. Rejects when there is none. */
async function sendOne(url: string, method: 'GET' | 'POST', key: string | null): Promise<void> {
  const req = request(url, {
    method,
    agent: false,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: {
      'user-agent': 'waybill-demo',
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
    },
  })
  req.end(method === 'POST' ? '{"hello":"world"}' : undefined)
  const [response] = (await once(req, 'response')) as [NodeJS.ReadableStream & { resume(): unknown }]
  response.resume()
  await once(response, 'end')
}
