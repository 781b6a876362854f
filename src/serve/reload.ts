import { unwatchFile, watchFile } from 'node:fs'
import { ConfigError, type Config } from '../config/config.ts'
import { OPTION_NAMES, optionRow, type OptionName } from '../config/options.ts'
import { systemClock } from '../lib/time/clock.ts'
import type { Logger } from '../logger/logger.ts'

/** How often the file is looked at. Polling its status sees editors that replace files and swapped symbolic links alike. */
const WATCH_INTERVAL_MS = 500

/** Reads the configuration anew, on request and when its file changes; an invalid one changes nothing. */
export class ConfigReloader {
  #current: Config
  readonly #load: () => Config
  readonly #apply: (config: Config) => void
  readonly #replaces: (name: OptionName) => boolean
  readonly #replace: () => unknown
  readonly #logger: Logger
  readonly #onFileChange = (): void => this.reload('file')
  readonly #onCertificateChange = (): void => this.reload('certificate')
  readonly #onSecretChange = (): void => this.reload('secret')
  #watched = new Map<string, () => void>()
  #isWatching = false
  #cancelCheck = (): void => {}

  constructor(parts: {
    current: Config
    load: () => Config
    apply: (config: Config) => void
    /** Whether `replace` makes a change of this option act. */
    replaces?: (name: OptionName) => boolean
    /** Replaces the processes that serve; may take its time. */
    replace?: () => unknown
    logger: Logger
  }) {
    this.#current = parts.current
    this.#load = parts.load
    this.#apply = parts.apply
    this.#replaces = parts.replaces ?? (() => false)
    this.#replace = parts.replace ?? (() => {})
    this.#logger = parts.logger
  }

  /** Begins to watch the file, if there is one, and the certificates. */
  start(): void {
    this.#isWatching = true
    this.#watch()
  }

  stop(): void {
    this.#isWatching = false
    this.#watch()
  }

  /** Watches what the configuration in force was read from. */
  #watch(): void {
    const { file, options, secretFiles } = this.#current
    const certificates = options['listen.tls'].flatMap(({ cert, key }) => [cert, key])
    const wanted = new Map(certificates.map((path) => [path, this.#onCertificateChange]))
    for (const { path } of secretFiles) wanted.set(path, this.#onSecretChange)
    if (file !== null) wanted.set(file, this.#onFileChange)
    this.#cancelCheck()
    if (!this.#isWatching) wanted.clear()
    // A watch begins with the files as they are a moment later: what was written between their reading and that would go unseen. So
    // they are read once more, and what they hold is compared with what was loaded.
    else this.#cancelCheck = systemClock.later(WATCH_INTERVAL_MS, () => this.reload('check'))
    for (const [path, listener] of this.#watched) if (!wanted.has(path)) unwatchFile(path, listener)
    for (const [path, listener] of wanted) {
      if (this.#watched.has(path)) continue
      watchFile(path, { interval: WATCH_INTERVAL_MS, persistent: false }, listener)
    }
    this.#watched = wanted
  }

  /** Reads and applies the configuration; keeps the old one, and says why, when the new one is invalid. Never throws. */
  reload(cause: 'signal' | 'file' | 'certificate' | 'secret' | 'check'): void {
    let next: Config
    try {
      next = this.#load()
    } catch (error) {
      const problems = error instanceof ConfigError ? error.problems : [String(error)]
      this.#logger.error({ cause, problems }, 'configuration not reloaded: it is invalid, the old one stays')
      return
    }
    const previous = this.#current
    this.#current = next
    this.#tellKept(previous, next)
    // A file that has vanished, or was written anew as it was: routes that are applied again lose their connections.
    if (cause !== 'signal' && cause !== 'file' && isSame(previous, next)) return
    const changed = OPTION_NAMES.filter((name) => {
      const isEqual = JSON.stringify(next.options[name]) === JSON.stringify(previous.options[name])
      return !isEqual && optionRow(name).actsOn !== 'reload'
    })
    this.#apply(next)
    this.#watch()
    this.#logger.info({ cause, routes: next.routes.length }, 'configuration reloaded')
    const waiting = changed.filter((name) => !this.#replaces(name))
    if (waiting.length < changed.length) this.#replace()
    if (waiting.length > 0) this.#logger.warn({ options: waiting }, 'changed options that need a restart')
  }

  /** A file that cannot be read is told of once, and once more when it is read again. */
  #tellKept(previous: Config, next: Config): void {
    for (const { path, problem } of next.secretFiles) {
      const before = previous.secretFiles.find((one) => one.path === path)?.problem ?? null
      if (problem !== null && before === null)
        this.#logger.warn(
          { path, problem },
          'a file of the configuration is not as it should be: what it held stays',
        )
      else if (problem === null && before !== null)
        this.#logger.info({ path }, 'a file of the configuration is read again')
    }
  }
}

/** Whether two readings found the same in all files: the configuration's own, those of secrets, and certificates. */
function isSame(one: Config, other: Config): boolean {
  const parts = ({ options, routes, tlsDigest }: Config): string =>
    JSON.stringify([options, routes, tlsDigest])
  return parts(one) === parts(other)
}
