import type { Config } from '../config/config.ts'
import type { RootLogger } from '../logger/logger.ts'

/** Has the configuration's secrets censored in everything that is logged from now on. */
export function hideSecrets(logger: RootLogger, config: Config): void {
  logger.addSecret(config.options['admin.token'])
  for (const url of [config.options['database.url'], config.options['database.readerUrl']]) {
    if (URL.canParse(url)) logger.addSecret(decodeURIComponent(new URL(url).password))
  }
  for (const { upstream, rules } of config.routes) {
    if (upstream.authorization !== null) logger.addSecret(upstream.authorization)
    for (const [i, value] of rules.headers.set.entries()) if (i % 2 === 1) logger.addSecret(value)
  }
}
