import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Job, JobResult } from '../load-generator/job.ts'
import { spawnPinned, type Spawned } from './process.ts'

/** The load generator's process. One job at a time. */
export class Load {
  readonly #process: Spawned
  readonly #lines: Interface

  constructor(cpus: string | null) {
    const main = fileURLToPath(new URL('../load-generator/main.js', import.meta.url))
    this.#process = spawnPinned(cpus, [process.execPath, main], { isPiped: true })
    const { stdout } = this.#process.child
    if (stdout === null) throw new Error('the load generator has no output')
    this.#lines = createInterface({ input: stdout })
  }

  async run(job: Job): Promise<JobResult> {
    // One signal for both, so that what did not happen leaves no listener behind.
    const settled = new AbortController()
    const { signal } = settled
    const answered = once(this.#lines, 'line', { signal }).then((args) => args[0] as string)
    const ended = once(this.#lines, 'close', { signal }).then(() => null)
    this.#process.child.stdin?.write(`${JSON.stringify(job)}\n`)
    const line = await Promise.race([answered, ended])
    void Promise.allSettled([answered, ended])
    settled.abort()
    if (line === null) throw new Error(`the load generator ended: ${this.#process.stderr()}`)
    return JSON.parse(line) as JobResult
  }

  async stop(): Promise<void> {
    this.#lines.removeAllListeners()
    await this.#process.stop()
  }
}

/** A job of the closed model: GET of 1 KiB over 64 connections kept alive, with this key if any. */
export function closedJob(
  target: { readonly port: number; readonly key: string | undefined },
  limits: { readonly seconds: number; readonly maxRequests?: number; readonly connections?: number },
): Job {
  const { seconds, maxRequests = null, connections = 64 } = limits
  const heads = [requestHead({ path: '/1k', key: target.key })]
  return {
    port: target.port,
    connections,
    seconds,
    rate: null,
    maxRequests,
    heads,
    bodyBytes: 0,
    isNewConnections: false,
  }
}

/** A request's head as a small client sends it. `Host` is a name that needs no look-up. */
export function requestHead(options: {
  readonly path: string
  readonly key?: string | undefined
  readonly bodyBytes?: number
  readonly isClosing?: boolean
}): string {
  const { path, key, bodyBytes = 0, isClosing = false } = options
  const lines = [`${bodyBytes > 0 ? 'POST' : 'GET'} ${path} HTTP/1.1`, 'Host: artifacts.example.com']
  lines.push('User-Agent: waybill-bench/1', 'Accept: */*')
  if (key !== undefined) lines.push(`Authorization: Bearer ${key}`)
  if (bodyBytes > 0) lines.push('Content-Type: application/octet-stream', `Content-Length: ${bodyBytes}`)
  if (isClosing) lines.push('Connection: close')
  return `${lines.join('\r\n')}\r\n\r\n`
}
