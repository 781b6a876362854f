import { SemVer } from 'semver'
import { orderOf } from './order.ts'

/** `1` and `1.2` stand for `1.0.0` and `1.2.0`, as Helm reads them. */
const SHORT = /^v?\d{1,15}(?:\.\d{1,15})?$/

/**
 * Semantic versions (https://semver.org, §11), of npm, cargo, Helm, and with `v` before them of Go. Build metadata (`+incompatible`)
 * counts for nothing.
 */
export const semverOrder = orderOf(readSemver, (a, b) => a.compare(b))

/** The version, with or without `v`; null for none. */
export function readSemver(version: string): SemVer | null {
  const text = SHORT.test(version) ? version + (version.includes('.') ? '.0' : '.0.0') : version
  try {
    return new SemVer(text, { loose: true })
  } catch {
    return null
  }
}
