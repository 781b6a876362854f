import type { Route } from '../model/route.ts'
import type { Config } from './config.ts'
import { OPTION_NAMES, optionRow, type OptionName } from './options.ts'

/** What stands in place of a secret that is set. */
export const MASK = '********'

/** An option's value as it may be shown: secrets masked unless empty. */
export function shownValue(config: Config, name: OptionName): unknown {
  const value: unknown = config.options[name]
  const row = optionRow(name)
  if (row.show !== undefined) return row.show(value)
  return row.isSecret === true && value !== '' ? MASK : value
}

/** A route as it may be shown: its credentials at the upstream, secrets of its senders, and values of fields that it sets, masked. */
export function shownRoute(route: Route): Readonly<Record<string, unknown>> {
  const authorization = route.upstream.authorization === null ? null : MASK
  const { rules } = route
  const set = rules.headers.set.map((text, i) => (i % 2 === 1 ? MASK : text))
  const headers = { ...rules.headers, set }
  const signature = route.signature && {
    ...route.signature,
    secrets: route.signature.secrets.map(() => MASK),
  }
  const { tls = null } = route.upstream
  // Files are shown by being there; what is in them is long, and of the key a secret.
  const shownTls =
    tls === null ? null : { ...tls, ca: tls.ca && MASK, cert: tls.cert && MASK, key: tls.key && MASK }
  return {
    ...route,
    signature,
    upstream: { ...route.upstream, authorization, tls: shownTls },
    rules: { ...rules, headers },
  }
}

/** All of a configuration as it may be shown. */
export function shownConfiguration(config: Config) {
  return {
    options: OPTION_NAMES.map((name) => {
      const { help, actsOn = 'new workers' } = optionRow(name)
      return { name, value: shownValue(config, name), source: config.sources[name], actsOn, help }
    }),
    routes: config.routes.map(shownRoute),
  }
}
