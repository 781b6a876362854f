import { createHash } from 'node:crypto'
import { Agent, request as httpRequest } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { startLoad } from '../../harness/load.ts'

// A process that installs trees as npm does, or asks for one file at a steady rate: node installer.js <JSON of a Task>
// Tells its parent an Outcome and ends.

/** What a process of installers is to do. */
export type Task =
  | {
      readonly do: 'install'
      /** Ends with a slash. */
      readonly registry: string
      readonly key: string
      /** Package at the root of the tree. */
      readonly root: string
      /** Cold installs at once, each with connections of its own. */
      readonly installs: number
    }
  | {
      readonly do: 'probe'
      readonly url: string
      readonly key: string
      readonly perSecond: number
      /** Milliseconds; without, until the parent sends a message. */
      readonly forMs: number | null
    }

export interface Outcome {
  /** Requests that were answered. */
  readonly requests: number
  /** Requests without a whole answer of status 200, or whose file has another hash. */
  readonly failed: number
  /** Connections that broke before an answer, whose request was sent again, each with its error and the connection's past. */
  readonly broken: readonly string[]
  /** Milliseconds from start to complete answer, sorted; of a probe only. */
  readonly durationsMs: readonly number[]
}

/** Connections that npm opens to one host at most. */
const NPM_SOCKETS = 15
/** How often npm tries a request whose connection breaks. */
const NPM_ATTEMPTS = 3

interface Version {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly dist: { readonly tarball: string; readonly integrity: string }
}

const task = JSON.parse(process.argv[2] ?? '') as Task
process.on('disconnect', () => process.exit(1))
const outcome = task.do === 'install' ? await installAll(task) : await probe(task)
process.send?.(outcome, () => process.exit(0))

async function probe({ url, key, perSecond, forMs }: Task & { do: 'probe' }): Promise<Outcome> {
  const load = startLoad({
    url: () => url,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 16,
    perSecond,
  })
  process.once('message', () => load.stop())
  if (forMs !== null) setTimeout(() => load.stop(), forMs)
  const { sent, byStatus, durationsMs } = await load.done
  const failed = sent - (byStatus.get(200) ?? 0)
  return { requests: sent, failed, broken: [], durationsMs }
}

async function installAll(install: Task & { do: 'install' }): Promise<Outcome> {
  const all = await Promise.all(Array.from({ length: install.installs }, () => installOnce(install)))
  const sum = (of: (one: Outcome) => number): number => all.reduce((total, one) => total + of(one), 0)
  return {
    requests: sum(({ requests }) => requests),
    failed: sum(({ failed }) => failed),
    broken: all.flatMap(({ broken }) => broken),
    durationsMs: [],
  }
}

/** What npm does with an empty cache: a document for each package as it is met, then its file from the address that stands there. */
async function installOnce({ registry, key, root }: Task & { do: 'install' }): Promise<Outcome> {
  const agent = new Agent({ keepAlive: true, maxSockets: NPM_SOCKETS })
  let requests = 0
  let failed = 0
  const broken: string[] = []
  const get = async (url: string, accept: string): Promise<Buffer | null> => {
    for (let left = NPM_ATTEMPTS; left > 0; left--) {
      try {
        const [status, body] = await fetchWith(agent, url, { authorization: `Bearer ${key}`, accept })
        requests++
        if (status === 200) return body
        break
      } catch (error) {
        broken.push(String(error))
      }
    }
    failed++
    return null
  }
  const met = new Set<string>()
  const visit = async (name: string): Promise<void> => {
    if (met.has(name)) return
    met.add(name)
    const document = await get(registry + name, 'application/vnd.npm.install-v1+json')
    if (document === null) return
    const { versions } = JSON.parse(document.toString()) as { versions: Readonly<Record<string, Version>> }
    const [version] = Object.values(versions)
    if (version === undefined) return
    const { dist, dependencies = {} } = version
    const file = async (): Promise<void> => {
      const body = await get(dist.tarball, '*/*')
      if (body === null) return
      if (`sha512-${createHash('sha512').update(body).digest('base64')}` !== dist.integrity) failed++
    }
    await Promise.all([file(), ...Object.keys(dependencies).map(visit)])
  }
  await visit(root)
  agent.destroy()
  return { requests, failed, broken, durationsMs: [] }
}

function fetchWith(agent: Agent, url: string, headers: Record<string, string>): Promise<[number, Buffer]> {
  return new Promise((resolve, reject) => {
    const startTick = performance.now()
    const fail = (error: unknown): void => {
      const past = req.reusedSocket ? 'kept' : 'new'
      const ms = Math.round(performance.now() - startTick)
      reject(new Error(`${past} connection, ${ms} ms after the request: ${String(error)}`, { cause: error }))
    }
    const req = httpRequest(url, { agent, headers }, (res) => {
      buffer(res).then((body) => resolve([res.statusCode ?? 0, body]), fail)
    })
    req.setTimeout(300_000, () => req.destroy(new Error('npm waits no longer')))
    req.once('error', fail)
    req.end()
  })
}
