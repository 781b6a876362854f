import { Agent, request as httpRequest } from 'node:http'

export interface LoadOptions {
  /** Built anew for each request from its number. */
  readonly url: (n: number) => string
  readonly headers?: Readonly<Record<string, string>>
  /** Requests at once (closed loop), and connections. */
  readonly concurrency: number
  /** How many to send; unbounded until `stop()` without it. */
  readonly total?: number
  /** Open loop: starts this many per second, whatever the answers do; `concurrency` still bounds it. */
  readonly perSecond?: number
  readonly timeoutMs?: number
  /** Each request on a connection of its own. */
  readonly isFresh?: boolean
}

/** What came back; `failed` are those without a complete answer, by error code. */
export interface LoadResult {
  readonly sent: number
  readonly answered: number
  readonly byStatus: ReadonlyMap<number, number>
  readonly failed: ReadonlyMap<string, number>
  /** Milliseconds from start to complete answer, sorted. */
  readonly durationsMs: readonly number[]
  /** When each complete answer came, `performance.now()`, in order. */
  readonly answerTicks: readonly number[]
}

/** A load under way. */
export interface Load {
  readonly done: Promise<LoadResult>
  /** Requests answered so far. */
  readonly answered: number
  /** Sends no more; `done` resolves when those in flight have ended. */
  stop(): void
}

/** Starts a bounded load over keep-alive connections. Never rejects: what fails is counted. */
export function startLoad(options: LoadOptions): Load {
  const agent = new Agent({ keepAlive: options.isFresh !== true, maxSockets: options.concurrency })
  const byStatus = new Map<number, number>()
  const failed = new Map<string, number>()
  const durationsMs: number[] = []
  const answerTicks: number[] = []
  const startTick = performance.now()
  let sent = 0
  let answered = 0
  let isStopped = false
  const isOver = (): boolean => isStopped || (options.total !== undefined && sent >= options.total)

  const loop = async (): Promise<void> => {
    while (!isOver()) {
      const n = sent++
      if (options.perSecond !== undefined) await waitTill(startTick + (n * 1000) / options.perSecond)
      const tick = performance.now()
      try {
        const status = await once(agent, options.url(n), options)
        answered++
        byStatus.set(status, (byStatus.get(status) ?? 0) + 1)
        const answerTick = performance.now()
        durationsMs.push(answerTick - tick)
        answerTicks.push(answerTick)
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? String(error)
        failed.set(code, (failed.get(code) ?? 0) + 1)
      }
    }
  }

  const run = async (): Promise<LoadResult> => {
    try {
      await Promise.all(Array.from({ length: options.concurrency }, loop))
    } finally {
      agent.destroy()
    }
    return { sent, answered, byStatus, failed, durationsMs: durationsMs.sort((a, b) => a - b), answerTicks }
  }

  return {
    done: run(),
    get answered() {
      return answered
    },
    stop: () => {
      isStopped = true
    },
  }
}

/** Most answers that came within any `windowMs`. */
export function mostAnswersWithin({ answerTicks }: LoadResult, windowMs: number): number {
  let most = 0
  let from = 0
  for (const [i, tick] of answerTicks.entries()) {
    while ((answerTicks[from] ?? tick) < tick - windowMs) from++
    most = Math.max(most, i - from + 1)
  }
  return most
}

function waitTill(tick: number): Promise<void> {
  const waitMs = tick - performance.now()
  return waitMs <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, waitMs))
}

/** Sends one request; resolves with its status when the answer is complete, rejects otherwise. */
function once(agent: Agent, url: string, options: LoadOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const req = httpRequest(url, { agent, headers: { ...options.headers } }, (res) => {
      res.resume()
      res.once('end', () => resolve(res.statusCode ?? 0))
      res.once('error', reject)
      res.once('close', () => reject(Object.assign(new Error('cut short'), { code: 'CUT_SHORT' })))
    })
    const timer = setTimeout(
      () => req.destroy(Object.assign(new Error('late'), { code: 'LATE' })),
      options.timeoutMs ?? 20_000,
    )
    req.once('close', () => clearTimeout(timer))
    req.once('error', reject)
    req.end()
  })
}
