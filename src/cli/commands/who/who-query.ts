import { PURL_TYPES } from '../../../artifacts/purl-types.ts'
import { type PackageMatcher, readMatcher } from '../../../model/artifact/package-matcher.ts'
import type { UsersFilter } from '../../../store/packages/package-users.ts'
import { readFormat, type FormatFlags } from '../../flags.ts'
import type { Format } from '../../output/listing.ts'
import { safeJson } from '../../output/text.ts'
import type { Problems } from '../../problems.ts'

/** The flags of `waybill who`. */
export interface WhoFlags extends FormatFlags {
  readonly range?: string
  readonly tenant?: string
  readonly route?: string
  readonly since?: string
  readonly until?: string
  readonly quick?: boolean
  readonly settle?: string
}

/** What `waybill who` is asked. */
export interface WhoQuery {
  /** Null after a problem. */
  readonly matcher: PackageMatcher | null
  readonly filter: UsersFilter
  readonly format: Format
}

/** Reads the argument and the flags; collects what is wrong with them. */
export function readWhoQuery(text: string, flags: WhoFlags, nowMs: number, problems: Problems): WhoQuery {
  const since = flags.since === undefined ? undefined : problems.time('--since', flags.since, nowMs)
  const until = flags.until === undefined ? undefined : problems.time('--until', flags.until, nowMs)
  if (since !== undefined && until !== undefined && since >= until)
    problems.add('--since must be before --until')
  const range = flags.range ?? null
  const matcher = readMatcher(text, range, [...new Set(PURL_TYPES.values())], (part, { message }) =>
    problems.add(
      part === 'range'
        ? `--range: cannot read ${shown(range ?? '')}: ${message}`
        : `cannot read ${shown(text)}: ${message}`,
    ),
  )
  return {
    matcher,
    format: readFormat(flags, problems),
    filter: {
      ...(flags.tenant === undefined ? {} : { tenant: problems.slug('--tenant', flags.tenant) }),
      ...(flags.route === undefined ? {} : { route: problems.slug('--route', flags.route) }),
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
    },
  }
}

/** As it may be shown in a message: bounded, control characters escaped. */
function shown(text: string): string {
  return safeJson(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}
