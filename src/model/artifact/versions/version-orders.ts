import { debianOrder } from './debian-order.ts'
import { mavenOrder } from './maven-order.ts'
import { nugetOrder } from './nuget-order.ts'
import type { VersionOrder } from './order.ts'
import { pep440Order } from './pep440-order.ts'
import { rubygemsOrder } from './rubygems-order.ts'
import { semverOrder } from './semver-order.ts'

/** The order of versions by type of package URL. The versions of types that are not here have none. */
const ORDERS: ReadonlyMap<string, VersionOrder> = new Map([
  ['npm', semverOrder],
  ['cargo', semverOrder],
  ['golang', semverOrder],
  ['helm', semverOrder],
  ['maven', mavenOrder],
  ['deb', debianOrder],
  ['pypi', pep440Order],
  ['gem', rubygemsOrder],
  ['nuget', nugetOrder],
])

/** The order of a type's versions; null for one that has none. */
export function versionOrderOf(type: string): VersionOrder | null {
  return ORDERS.get(type) ?? null
}

/** Whether ranges of a type's versions are read by npm's grammar (node-semver). */
export function hasSemver(type: string): boolean {
  return versionOrderOf(type) === semverOrder
}
