import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Database } from './database.ts'
import { PRODUCT } from './paths.ts'
import { freePort } from './ports.ts'
import { hasEnded, spawnPinned, type Spawned } from './process.ts'
import { Hopeless, untilTrue } from './wait.ts'

/** `GET /api/overview`, as far as the bench looks at it. */
interface Overview {
  readonly requests: { readonly total: number }
  readonly accessLog: { readonly accepted: number; readonly stored: number }
  /** Of several processes. */
  readonly workers?: readonly { readonly requests: number | null }[]
}

export interface GatewayOptions {
  readonly cpus: string | null
  readonly folder: string
  readonly upstreamPort: number
  readonly database: Database
  /** `dist/main.js` of the build that runs; default: this one's. */
  readonly product?: string
  /** Joins the route's fields, and what else the file shall hold. */
  readonly route?: Readonly<Record<string, unknown>>
  readonly config?: Readonly<Record<string, unknown>>
}

/** A running `waybill serve` with one route to the upstream. */
export class Gateway {
  readonly port: number
  readonly adminPort: number
  readonly process: Spawned
  /** From the start of the process to the first 200 of /readyz. */
  readonly readyMs: number

  private constructor(options: { port: number; adminPort: number; process: Spawned; readyMs: number }) {
    this.port = options.port
    this.adminPort = options.adminPort
    this.process = options.process
    this.readyMs = options.readyMs
  }

  /** Applies the migrations: a database is made ready before keys are put into it. */
  static migrate(database: Database, cwd: string, product = PRODUCT): void {
    runProduct(['migrate'], { product, cwd, database })
  }

  /** Starts it on a migrated database and waits until it is ready. */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const [port, adminPort] = [await freePort(), await freePort()]
    const { folder, database, cpus, product = PRODUCT } = options
    const upstream = `http://127.0.0.1:${options.upstreamPort}/`
    const config = {
      listen: { host: '127.0.0.1', port },
      admin: { host: '127.0.0.1', port: adminPort },
      stateDir: join(folder, 'state'),
      log: { level: 'warn' },
      ...(hasWorkers(product, folder, database) ? { workers: 1 } : {}),
      routes: [{ name: 'bench', kind: 'generic', path: '/', upstream, ...options.route }],
      ...options.config,
    }
    const file = join(folder, 'waybill.yaml')
    // YAML 1.2 contains JSON.
    await writeFile(file, JSON.stringify(config, null, 2))
    const startedAt = performance.now()
    // Its own entries, one each 10 s, would be among those that are counted against the requests.
    const canary = { WAYBILL_ACCESS_LOG_CANARY_INTERVAL_MS: '0' }
    const env = { WAYBILL_CONFIG: file, DATABASE_URL: database.url, ...canary }
    // With the flag that workers get, see docs/scaling.md: the process that is measured has one core.
    const command = [process.execPath, '--v8-pool-size=1', product, 'serve'] as const
    const process_ = spawnPinned(cpus, command, { cwd: folder, env })
    await untilTrue('the gateway is ready', async () => {
      if (hasEnded(process_.child)) throw new Hopeless(`the gateway ended: ${process_.stderr()}`)
      return (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok
    })
    return new Gateway({ port, adminPort, process: process_, readyMs: performance.now() - startedAt })
  }

  async overview(): Promise<Overview> {
    return JSON.parse(await this.#admin('/api/overview')) as Overview
  }

  async #admin(path: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}${path}`, {
      headers: { connection: 'close' },
    })
    if (!response.ok) throw new Error(`${path} answered ${response.status}`)
    return response.text()
  }
}

const withWorkers = new Map<string, boolean>()

/** Whether a build has the option `workers`; one process is measured, on one core. */
function hasWorkers(product: string, cwd: string, database: Database): boolean {
  const known = withWorkers.get(product)
  if (known !== undefined) return known
  const has = /^workers\s/m.test(runProduct(['config', 'show'], { product, cwd, database }))
  withWorkers.set(product, has)
  return has
}

function runProduct(
  args: readonly string[],
  { product, cwd, database }: { readonly product: string; readonly cwd: string; readonly database: Database },
): string {
  const env = { PATH: process.env['PATH'] ?? '', DATABASE_URL: database.url }
  return execFileSync(process.execPath, [product, ...args], { cwd, env, encoding: 'utf8', stdio: 'pipe' })
}
