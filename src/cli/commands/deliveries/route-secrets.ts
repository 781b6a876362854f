import type { ValuePlace } from '../../../model/delivery/deliver-rules.ts'
import { readConfig } from '../../configuration.ts'
import type { Io } from '../../output/io.ts'

/** What of a route's deliveries is not for everybody. */
export interface RouteSecrets {
  /** What `deliver.mask` names, and the fields that the gateway sets: they log in at the upstream. */
  readonly masks: readonly ValuePlace[]
  /** The fields that the gateway sets, lower case. */
  readonly ownFields: ReadonlySet<string>
}

/** Of the routes that the configuration has; null for another. Throws a ConfigError where it cannot be read. */
export function routeSecrets(io: Io, flags: object): (route: string) => RouteSecrets | null {
  const { routes } = readConfig(io, flags)
  return (name) => {
    const route = routes.find((one) => one.name === name)
    if (route === undefined) return null
    const own = route.rules.headers.set.filter((_, i) => i % 2 === 0).map((field) => field.toLowerCase())
    const masks = [
      ...(route.delivery?.deliver.mask ?? []),
      ...own.map((field) => ({ kind: 'header', name: field }) as const),
    ]
    return { masks, ownFields: new Set(own) }
  }
}

/** Why nothing of a delivery is given away whose route the configuration does not have. */
export function unknownRoute(route: string): string {
  return `route ${route} is not in the configuration, which says what is secret of it: name that with --config`
}
