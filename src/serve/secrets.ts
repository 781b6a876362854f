import type { Config } from '../config/config.ts'
import { OPTION_NAMES, optionRow } from '../config/options.ts'
import type { RootLogger } from '../logger/logger.ts'
import { credentialTexts } from '../model/upstream/credential-texts.ts'

/** Has the configuration's secrets censored in everything that is logged from now on. */
export function hideSecrets(logger: RootLogger, config: Config): void {
  for (const name of OPTION_NAMES) {
    const row = optionRow(name)
    if (row.isSecret !== true) continue
    const value: unknown = config.options[name]
    const texts = row.secrets === undefined ? [value] : row.secrets(value)
    for (const text of texts) {
      if (typeof text !== 'string') throw new TypeError(`option ${name}: a secret that is no text`)
      logger.addSecret(text)
    }
  }
  for (const { upstream, rules, signature } of config.routes) {
    for (const secret of signature?.secrets ?? []) logger.addSecret(secret)
    if (signature?.scheme === 'basic')
      for (const pair of signature.secrets) logger.addSecret(pair.slice(pair.indexOf(':') + 1))
    for (const secret of credentialTexts(upstream.authorization ?? '')) logger.addSecret(secret)
    for (const [i, value] of rules.headers.set.entries()) if (i % 2 === 1) logger.addSecret(value)
  }
}
