import type { Config } from '../config/config.ts'
import type { RootLogger } from '../logger/logger.ts'

/** Has the configuration's secrets censored in everything that is logged from now on. */
export function hideSecrets(logger: RootLogger, config: Config): void {
  logger.addSecret(config.options['admin.token'])
  logger.addSecret(config.options['admin.oidc.clientSecret'])
  for (const url of [config.options['database.url'], config.options['database.readerUrl']]) {
    if (URL.canParse(url)) logger.addSecret(decodeURIComponent(new URL(url).password))
  }
  for (const { upstream, rules, signature } of config.routes) {
    for (const secret of signature?.secrets ?? []) logger.addSecret(secret)
    if (signature?.scheme === 'basic')
      for (const pair of signature.secrets) logger.addSecret(pair.slice(pair.indexOf(':') + 1))
    for (const secret of secretsOf(upstream.authorization)) logger.addSecret(secret)
    for (const [i, value] of rules.headers.set.entries()) if (i % 2 === 1) logger.addSecret(value)
  }
}

/** A value of Authorization, and what is secret within it: a token alone, a password. */
function secretsOf(authorization: string | null): string[] {
  if (authorization === null) return []
  const bare = authorization.replace(/^[A-Za-z]+ +/, '')
  if (!/^Basic /i.test(authorization)) return [authorization, bare]
  const pair = Buffer.from(bare, 'base64').toString()
  return [authorization, bare, pair.slice(pair.indexOf(':') + 1)]
}
