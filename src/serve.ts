import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import type { Writable } from 'node:stream'
import type { Config } from './config/config.ts'
import { workerCount } from './config/worker-count.ts'
import { stderrLines } from './logger/line-sink.ts'
import { logFormatOf } from './logger/pretty.ts'
import { createLogger, type RootLogger } from './logger/logger.ts'
import type { DatabaseTarget } from './model/database-target.ts'
import { openGatewayDatabase, upkeepOf, type GatewayDatabase } from './serve/control-plane/database.ts'
import type { Demo } from './serve/demo.ts'
import { failureText, sayFailure } from './serve/failure.ts'
import type { Primary } from './serve/cluster/primary.ts'
import { actsOnNewWorkers } from './serve/cluster/worker-config.ts'
import type { RunningGateway } from './serve/running-gateway.ts'
import { ConfigReloader } from './serve/reload.ts'
import { hideSecrets } from './serve/secrets.ts'
import { packageVersion } from './version.ts'

/** What the gateway is run with. `loadConfig` is called again on each reload and throws `ConfigError`. */
export interface ServeInput {
  readonly mode: 'serve' | 'demo'
  /** Whether the demo sends requests of its own. */
  readonly hasTraffic?: boolean
  readonly loadConfig: () => Config
  readonly stdout: Writable
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isTty: { readonly stderr: boolean }
  /** Calls the listener on each such signal until the returned function is called. */
  readonly onSignal: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGUSR2', listener: () => void) => () => void
  /** Calls the listener with an error that nobody caught, before the process ends with status 1. */
  readonly onCrash: (listener: (error: unknown) => void) => void
}

/**
 * Runs a gateway until a signal asks it to stop. Resolves with the exit code: 0 after a clean stop, 1 when something was
 * broken off or lost, or when it could not start. Rejects with `ConfigError` before anything was started. A stop that was
 * cut short, by a second signal or by the grace, leaves connections open: the caller ends the process.
 */
export async function serve(input: ServeInput): Promise<number> {
  const fileConfig = input.loadConfig()
  const instance = randomUUID()
  const logger = createLogger({
    identity: { version: packageVersion(), instance },
    level: fileConfig.options['log.level'],
    format: logFormatOf(fileConfig.options['log.format'], { isTty: input.isTty.stderr, env: input.env }),
    maxBacklogBytes: fileConfig.options['log.maxBacklogBytes'],
  })
  for (const warning of fileConfig.warnings) logger.warn(warning)
  input.onCrash((error) => {
    logger.error({ err: error }, 'the gateway crashed; this is a bug')
    sayFailure(failureText(error, null))
  })
  const progress = (message: string): void => {
    if (input.isTty.stderr) stderrLines().write(`${message}\n`)
    else logger.info(message)
  }
  const signals = new StopSignals(input)
  const scene: Scene = { demo: null, target: null }
  try {
    return await prepareAndRun(input, { fileConfig, instance, logger, progress, signals, scene })
  } catch (error) {
    const reason = failureText(error, scene.target)
    logger.debug({ err: error }, 'the gateway could not start')
    // For programs that read the log; people have the last line.
    if (logger.format === 'json') logger.error({ reason }, 'the gateway could not start')
    logger.level = 'silent'
    sayFailure(reason)
    return 1
  } finally {
    signals.ignore()
    await scene.demo?.close()
  }
}

/** What is there already when a start fails. */
interface Scene {
  demo: Demo | null
  target: DatabaseTarget | null
}

/** Rejects when the gateway could not start; all that had been started has been stopped by then. */
async function prepareAndRun(
  input: ServeInput,
  parts: Omit<Parts, 'spawned' | 'mode'> & { fileConfig: Config; signals: StopSignals; scene: Scene },
): Promise<number> {
  const { fileConfig, instance, logger, progress, signals, scene } = parts
  if (input.mode === 'demo')
    scene.demo = await (
      await import('./serve/demo.ts')
    ).prepareDemo(fileConfig, { hasTraffic: input.hasTraffic === true })
  const { demo } = scene
  const config = demo?.config ?? fileConfig
  hideSecrets(logger, config)
  const spawned = await spawnWorkers(workerCount(config))
  const database = await openGatewayDatabase(config, progress)
  scene.target = database.target
  const { gateway, primary } = await openGateway(config, database, {
    instance,
    logger,
    progress,
    spawned,
    mode: input.mode,
  })
  const forced = signals.forced.then((code) => {
    logger.error({ unstored: gateway.unstored }, 'second signal: stopped at once')
    primary?.destroy()
    // The stop that was cut short goes on until the process ends.
    logger.level = 'silent'
    sayFailure('stopped at once by a second signal; entries that were not stored are lost')
    return code
  })
  return await Promise.race([
    run(input, { gateway, primary, target: database.target, config, demo, logger, signals, progress }),
    forced,
  ])
}

/** The gateway, and the same when it is one of several processes. */
interface Opened {
  readonly gateway: RunningGateway
  readonly primary: Primary | null
}

/** The processes of the workers, which load their program while this one starts; none for a single process. */
async function spawnWorkers(count: number): Promise<ChildProcess[]> {
  if (count === 1) return []
  const { spawnWorker } = await import('./serve/cluster/spawn-worker.ts')
  return Array.from({ length: count }, spawnWorker)
}

interface Parts {
  /** Id of this process. */
  readonly instance: string
  readonly logger: RootLogger
  readonly progress: (message: string) => void
  /** The processes of the workers. */
  readonly spawned: readonly ChildProcess[]
  readonly mode: ServeInput['mode']
}

/** The rest of the program is loaded while the database is asked about its schema. */
async function openGateway(
  config: Config,
  database: GatewayDatabase,
  { instance, logger, progress, spawned, mode }: Parts,
): Promise<Opened> {
  const upkeep = upkeepOf(config, database, logger, mode)
  // Whoever starts the gateway hears how it went.
  upkeep.start(progress).catch(() => {})
  if (spawned.length === 0) {
    const { Gateway } = await import('./serve/gateway.ts')
    return { gateway: new Gateway(config, database, { instance, logger, upkeep }), primary: null }
  }
  const { Primary } = await import('./serve/cluster/primary.ts')
  const primary = new Primary(config, database, { instance, logger, upkeep, spawned })
  return { gateway: primary, primary }
}

interface Running extends Opened {
  readonly target: DatabaseTarget
  readonly config: Config
  readonly demo: Demo | null
  readonly logger: RootLogger
  readonly signals: StopSignals
  readonly progress: (message: string) => void
}

async function run(input: ServeInput, running: Running): Promise<number> {
  const { gateway, primary, config, demo, logger, signals, progress } = running
  try {
    const addresses = await gateway.start(progress)
    logger.info({ ...addresses, instance: gateway.instance, routes: config.routes.length }, 'ready')
    await demo?.announce({ gateway, target: running.target, config }, addresses, input.stdout)
  } catch (error) {
    // Its steps would hide why it stops.
    if (logger.level === 'info') logger.level = 'warn'
    await gateway.stop()
    throw error
  }
  const reloader = new ConfigReloader({
    current: config,
    load: () => (demo === null ? input.loadConfig() : demo.configOf(input.loadConfig())),
    apply: (next) => {
      hideSecrets(logger, next)
      gateway.apply(next)
    },
    logger,
    ...(primary === null ? {} : { replaces: actsOnNewWorkers, replace: () => primary.roll() }),
  })
  reloader.start()
  const ignoreRoll = input.onSignal('SIGUSR2', () => {
    if (primary === null) logger.warn('SIGUSR2 replaces workers, and this gateway is one process')
    else void primary.roll()
  })
  const ignoreHup = input.onSignal('SIGHUP', () => reloader.reload('signal'))
  await signals.stop
  logger.info({}, 'stopping')
  reloader.stop()
  ignoreHup()
  ignoreRoll()
  const isClean = await gateway.stop()
  logger.info({ isClean }, 'stopped')
  if (!isClean) sayFailure('the stop was not clean: requests were broken off or entries lost, see the log')
  return isClean ? 0 : 1
}

/** The first SIGTERM or SIGINT asks for a graceful stop, the second for one at once. */
class StopSignals {
  readonly stop: Promise<void>
  /** Resolves with the exit code on the second signal. */
  readonly forced: Promise<number>
  readonly #ignores: (() => void)[]

  constructor(input: ServeInput) {
    let onFirst = (): void => {}
    let onSecond = (): void => {}
    this.stop = new Promise((resolve) => {
      onFirst = resolve
    })
    this.forced = new Promise((resolve) => {
      onSecond = () => resolve(1)
    })
    let count = 0
    const listener = (): void => {
      count++
      if (count === 1) onFirst()
      else onSecond()
    }
    this.#ignores = [input.onSignal('SIGTERM', listener), input.onSignal('SIGINT', listener)]
  }

  ignore(): void {
    for (const ignore of this.#ignores) ignore()
  }
}
