import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { stringify } from 'yaml'
import { hasEnded, runCommand, spawnPlain, type Finished } from './child.ts'
import { parseMetrics, type Scrape } from './metrics.ts'
import { MAIN, productNode, testFolder } from './product.ts'
import { until, untilTrue } from './wait.ts'

const START_TIMEOUT_MS = 90_000
const STOP_TIMEOUT_MS = 15_000

/** One line of the gateway's log. */
export type LogLine = Readonly<Record<string, unknown>>

/** The configuration file's content; ports and hosts need not be given. */
export type GatewayConfig = Readonly<Record<string, unknown>>

export interface GatewayOptions {
  readonly mode?: 'serve' | 'demo'
  readonly config?: GatewayConfig
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: readonly string[]
  /** The database to use; without, the gateway starts an embedded one in a folder of its own. */
  readonly databaseUrl?: string
  /** Working directory, for a second gateway in the same; an own one otherwise. */
  readonly cwd?: string
  /** A program that runs the product's command line, given to it as further arguments, and becomes it. */
  readonly wrapper?: readonly string[]
  /** Resolve as soon as the process is spawned; then `waitReady()` is the caller's. */
  readonly shallNotWait?: boolean
}

/** `GET /api/overview`, as far as tests look at it. */
export interface Overview {
  readonly instance: string
  readonly requests: {
    readonly total: number
    readonly byOutcome: Readonly<Record<string, number>>
    readonly inFlight: number
    readonly connections: number
    readonly upgradedConnections: number
  }
  readonly accessLog: {
    readonly writerMode: string
    readonly accepted: number
    readonly stored: number
    readonly spilled: number
    readonly quarantined: number
    readonly buffered: number
    readonly dropped: Readonly<Record<string, number>>
  }
  readonly directory: { readonly ageMs: number | null; readonly keys: number; readonly tenants: number }
  readonly database: {
    readonly state: string
    readonly sinceMs: number
    readonly silentMs: number | null
    readonly error: string | null
    readonly isStoring: boolean
  }
  readonly ready: boolean
  readonly warnings: readonly { readonly code: string; readonly detail: string }[]
  /** Of a gateway of several processes. */
  readonly workers?: readonly WorkerLine[]
}

/** One worker process in `GET /api/overview`. */
export interface WorkerLine {
  readonly worker: number
  readonly pid: number
  readonly instance: string | null
  readonly state: string
  readonly isReady: boolean
  readonly connections: number
  readonly requests: number | null
  readonly database: string | null
}

export interface MintOptions {
  readonly tenant: string
  /** None given: the product's default. */
  readonly scopes?: readonly string[]
  readonly flags?: readonly string[]
}

/** A running gateway process. */
export class TestGateway {
  readonly cwd: string
  readonly configFile: string
  readonly child: ChildProcess
  /** Parsed log lines; a line that is no JSON is `{ text }`. */
  readonly log: LogLine[] = []
  stdout = ''
  readonly #env: Readonly<Record<string, string>>
  readonly #closed: Promise<unknown>
  #proxyUrl = ''
  #adminUrl = ''

  constructor(
    child: ChildProcess,
    place: { cwd: string; configFile: string; env: Readonly<Record<string, string>> },
  ) {
    this.child = child
    this.cwd = place.cwd
    this.configFile = place.configFile
    this.#env = place.env
    this.#closed = once(child, 'close')
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', (line) => this.#keep(line))
  }

  /** Origin of the proxy listener, without a slash at the end. */
  get proxyUrl(): string {
    return this.#proxyUrl
  }

  get adminUrl(): string {
    return this.#adminUrl
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  #keep(line: string): void {
    let parsed: unknown
    try {
      parsed = JSON.parse(line)
    } catch {
      parsed = null
    }
    this.log.push(typeof parsed === 'object' && parsed !== null ? (parsed as LogLine) : { text: line })
  }

  /** Resolves with the first line, of those from index `from` on, that the predicate accepts. */
  async waitForLog(
    what: string,
    accept: (line: LogLine) => boolean,
    options: { readonly timeoutMs?: number; readonly from?: number } = {},
  ): Promise<LogLine> {
    return until(
      `log line: ${what}`,
      () => {
        const found = this.log.slice(options.from ?? 0).find(accept)
        if (found === undefined && hasEnded(this.child)) {
          throw new Error(`the gateway ended (${this.child.exitCode}) before it logged: ${what}`)
        }
        return found
      },
      { timeoutMs: options.timeoutMs ?? 10_000 },
    )
  }

  /** Waits for the line that tells the addresses, and then for /readyz. */
  async waitReady(timeoutMs = START_TIMEOUT_MS): Promise<void> {
    await this.waitListening(timeoutMs)
    await untilTrue('/readyz answers 200', async () => (await this.#admin('/readyz')).ok, { timeoutMs })
  }

  /** Waits for the addresses only: without a database the gateway listens and is not ready. */
  async waitListening(timeoutMs = START_TIMEOUT_MS): Promise<void> {
    const line = await this.waitForLog('ready', ({ msg }) => msg === 'ready', { timeoutMs })
    this.#proxyUrl = originOf(line['proxy'])
    this.#adminUrl = originOf(line['admin'])
  }

  /** Runs a command of the product on the same configuration and database. */
  async cli(...args: readonly string[]): Promise<Finished> {
    return runCommand(productNode(), [MAIN, ...args], { cwd: this.cwd, env: this.#env })
  }

  /** As `cli`; rejects unless it exits with 0; returns its standard output without the newline at the end. */
  async must(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cli(...args)
    if (code !== 0) throw new Error(`waybill ${args.join(' ')} exited with ${code}\n${stdout}${stderr}`)
    return stdout.trimEnd()
  }

  /** Mints a key and waits until this gateway knows it. Returns the key. */
  async mint({ tenant, scopes = [], flags = [] }: MintOptions): Promise<string> {
    const scopeFlags = scopes.flatMap((scope) => ['--scope', scope])
    return this.#make('keys', 'mint', '--tenant', tenant, ...scopeFlags, ...flags)
  }

  /** Makes a tenant and waits until this gateway knows it. */
  async createTenant(slug: string): Promise<void> {
    await this.#make('tenants', 'create', slug)
  }

  /** As `must`, of a command that makes a key or a tenant; then waits until this gateway knows one more of those. */
  async #make(what: 'keys' | 'tenants', ...args: readonly string[]): Promise<string> {
    const before = (await this.overview()).directory[what]
    const printed = await this.must(what, ...args)
    await untilTrue(`the gateway knows more ${what}`, async () => {
      return (await this.overview()).directory[what] > before
    })
    return printed
  }

  async overview(): Promise<Overview> {
    return JSON.parse(await this.#adminText('/api/overview')) as Overview
  }

  async metrics(): Promise<Scrape> {
    return parseMetrics(await this.#adminText('/metrics'))
  }

  async #adminText(path: string): Promise<string> {
    const response = await this.#admin(path)
    const text = await response.text()
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`)
    return text
  }

  #admin(path: string): Promise<Response> {
    // Connections of their own: the drain of a gateway shall not wait for ours.
    return fetch(`${this.#adminUrl}${path}`, { headers: { connection: 'close' } })
  }

  /** Sends the signal and resolves with the exit status; null when a signal ended it. Rejects when it takes too long. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!hasEnded(this.child)) this.child.kill(signal)
    return this.exit()
  }

  /** Resolves with the exit status once the process has gone. */
  async exit(timeoutMs = STOP_TIMEOUT_MS): Promise<number | null> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`the gateway did not end within ${timeoutMs} ms`)), timeoutMs)
    })
    try {
      await Promise.race([this.#closed, late])
    } finally {
      clearTimeout(timer)
    }
    return this.child.exitCode
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    if (!hasEnded(this.child)) this.child.kill('SIGKILL')
    await this.exit()
  }
}

/** Starts a gateway with free ports on loopback and waits until it is ready. On teardown it is stopped, and logged on failure. */
export async function startGateway(t: Test, options: GatewayOptions): Promise<TestGateway> {
  const cwd = options.cwd ?? (await testFolder(t))
  const configFile = join(cwd, `waybill-${Math.random().toString(36).slice(2)}.yaml`)
  await writeConfig(configFile, options.config ?? {})
  const env = {
    WAYBILL_CONFIG: configFile,
    // Tests compare the table with the requests that they made, row by row; canary.e2e.test.ts turns it on.
    WAYBILL_ACCESS_LOG_CANARY_INTERVAL_MS: '0',
    ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
    ...options.env,
  }
  const { mode = 'serve', flags = [], wrapper = [] } = options
  // The demo reads a configuration file only when it is told to.
  const args = [MAIN, mode, ...(mode === 'demo' ? ['--config', configFile] : []), ...flags]
  const [program = '', ...rest] = [...wrapper, productNode(), ...args]
  const child = spawnPlain(program, rest, { cwd, env })
  const gateway = new TestGateway(child, { cwd, configFile, env })
  t.teardown(async () => {
    try {
      await gateway.stop()
    } catch (error) {
      await gateway.kill()
      throw error
    } finally {
      if (!t.passing()) for (const line of gateway.log) t.comment(JSON.stringify(line))
    }
  })
  if (options.shallNotWait !== true) await gateway.waitReady()
  return gateway
}

/** Puts a configuration file, with free ports on loopback, in the place of the old one at once: never half of it is seen. */
export async function writeConfig(file: string, config: GatewayConfig): Promise<void> {
  // One process: most tests look at the numbers of one, and kill it. Those of several ask for several.
  const listen = { workers: 1, listen: { host: '127.0.0.1', port: 0 }, admin: { host: '127.0.0.1', port: 0 } }
  await writeFile(`${file}.new`, stringify({ ...listen, ...config }))
  await rename(`${file}.new`, file)
}

function originOf(address: unknown): string {
  const { host, port } = address as { host: string; port: number }
  return `http://${host}:${port}`
}
