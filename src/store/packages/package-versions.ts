import type { PackageMatcher } from '../../model/artifact/package-matcher.ts'
import type { Sample } from '../../model/artifact/package-use.ts'
import type { Sql, TransactionSql } from '../sql.ts'
import { packageCondition, type PackageScope } from './package-key.ts'

/** A package in one version, as rows have it. */
export interface VersionRow {
  readonly ecosystem: string
  readonly package: string
  readonly version: string
  readonly qualifiers: string
}

/** What the log has of the packages that are asked for, sorted by what it is to the question. */
export interface VersionChoice {
  readonly meant: readonly VersionRow[]
  readonly unversioned: number
  readonly incomparable: number
  readonly incomparableVersions: Sample
  readonly likeNamed: Sample
  readonly isCut: boolean
}

/** Versions that are looked at; of one package there are some thousand in the largest registries. */
const MAX_VERSIONS = 20_000
const MAX_SAMPLE = 10

/** Looks at each version of the packages. `typeOf`: the type of an ecosystem's package URLs. */
export async function chooseVersions(
  sql: Sql | TransactionSql,
  scope: PackageScope,
  matcher: PackageMatcher,
  typeOf: (ecosystem: string) => string,
): Promise<VersionChoice> {
  const rows = await sql<(VersionRow & { readonly used: number })[]>`
    SELECT e.ecosystem, e.package, coalesce(e.version, '') AS version, coalesce(e.qualifiers, '') AS qualifiers,
      -- What was had or written, or sent on for: the rest may well not know its version.
      count(*) FILTER (WHERE e.artifact_kind IN ('artifact', 'upload') AND e.method <> 'HEAD' AND e.status < 400) AS used
    FROM access_log e WHERE ${packageCondition(sql, scope)}
    GROUP BY 1, 2, 3, 4 ORDER BY count(*) DESC LIMIT ${MAX_VERSIONS + 1}`
  const meant: VersionRow[] = []
  const incomparableVersions = new Set<string>()
  const likeNamed = new Set<string>()
  let [unversioned, incomparable] = [0, 0]
  for (const row of rows.slice(0, MAX_VERSIONS)) {
    const { ecosystem, package: name, version, qualifiers, used } = row
    const verdict = matcher.judge({ type: typeOf(ecosystem), name, version, qualifiers })
    if (verdict === 'meant') meant.push({ ecosystem, package: name, version, qualifiers })
    if (verdict === 'unversioned') unversioned += used
    if (verdict === 'incomparable' && used > 0) {
      incomparable += used
      incomparableVersions.add(version)
    }
    if (verdict === 'other' && isLikeNamed(matcher, typeOf(ecosystem), name))
      likeNamed.add(`${typeOf(ecosystem)}/${name}`)
  }
  return {
    meant,
    unversioned,
    incomparable,
    incomparableVersions: sampleOf(incomparableVersions),
    likeNamed: sampleOf(likeNamed),
    isCut: rows.length > MAX_VERSIONS,
  }
}

/** Whether nothing but the case of letters makes it another package. */
export function isLikeNamed(matcher: PackageMatcher, type: string, name: string): boolean {
  const lower = name.toLowerCase()
  return matcher.readings.some(
    (reading) =>
      reading.name !== name && reading.name.toLowerCase() === lower && (reading.type ?? type) === type,
  )
}

/** The first values, and how many more there are. */
export function sampleOf(values: ReadonlySet<string>): Sample {
  return { values: [...values].slice(0, MAX_SAMPLE), more: Math.max(0, values.size - MAX_SAMPLE) }
}
