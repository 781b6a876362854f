import type { Config } from '../config/config.ts'
import { OPTION_NAMES, type OptionName, optionRow } from '../config/options.ts'
import type { RootLogger } from '../logger/logger.ts'

/** Has the configuration's secrets censored in everything that is logged from now on. */
export function hideSecrets(logger: RootLogger, config: Config): void {
  for (const name of OPTION_NAMES) {
    if (optionRow(name).isSecret !== true || name === 'events') continue
    const value: unknown = config.options[name]
    if (typeof value !== 'string') throw new TypeError(`option ${name}: a secret that is no text`)
    for (const secret of secretsOfOption(name, value)) logger.addSecret(secret)
  }
  for (const { url, secret } of config.options.events) {
    for (const text of [url, secret]) logger.addSecret(text)
  }
  for (const { upstream, rules, signature } of config.routes) {
    for (const secret of signature?.secrets ?? []) logger.addSecret(secret)
    if (signature?.scheme === 'basic')
      for (const pair of signature.secrets) logger.addSecret(pair.slice(pair.indexOf(':') + 1))
    for (const secret of secretsOf(upstream.authorization)) logger.addSecret(secret)
    for (const [i, value] of rules.headers.set.entries()) if (i % 2 === 1) logger.addSecret(value)
  }
}

/** Of an address the password: the rest of it says in errors which database is meant. */
function secretsOfOption(name: OptionName, value: string): string[] {
  if (name.startsWith('database.'))
    return URL.canParse(value) ? [decodeURIComponent(new URL(value).password)] : []
  if (name === 'deliveries.encryptionKeys')
    return value.split(',').map((part) => part.slice(part.indexOf(':') + 1))
  return name.endsWith('.authorization') ? secretsOf(value) : [value]
}

/** A value of Authorization, and what is secret within it: a token alone, a password. */
function secretsOf(authorization: string | null): string[] {
  if (authorization === null) return []
  const bare = authorization.replace(/^[A-Za-z]+ +/, '')
  if (!/^Basic /i.test(authorization)) return [authorization, bare]
  const pair = Buffer.from(bare, 'base64').toString()
  return [authorization, bare, pair.slice(pair.indexOf(':') + 1)]
}
