import type { PackageReading, Piece } from './package-question.ts'
import { readPackageQuestion } from './package-question.ts'
import { QueryError } from './query-error.ts'
import { isRecorded, isSameName, type LoggedPackage, qualifierOf, spellingsOf } from './spelling.ts'
import type { VersionTest } from './versions/constraint.ts'
import { readVersionWish } from './versions/version-wish.ts'
import { versTypeOf } from './versions/version-range.ts'

/**
 * What a package of the log is to a question: meant; another one; of a version that is not known, as where the path tells none; or of one that
 * cannot be compared with the range.
 */
export type Verdict = 'meant' | 'other' | 'unversioned' | 'incomparable'

const DIGEST = /^sha\d+:[0-9a-f]+$/i

/** A question about a package, ready to be asked of each package of the log. */
export class PackageMatcher {
  readonly readings: readonly PackageReading[]
  readonly #tests = new Map<string, VersionTest>()
  readonly #types: readonly string[]

  /**
   * `text` as `readPackageQuestion` takes it; `range`: versions apart from it, or null. `types`: of all packages that there can be.
   * Throws a QueryError, also of `range`, whose offsets are its own then.
   */
  constructor(text: string, range: string | null, types: readonly string[]) {
    this.#types = types
    const readings = readPackageQuestion(text, types)
    this.readings = range === null ? readings : readings.map((reading) => withRange(reading, range))
    for (const reading of this.readings) this.#prepare(reading)
  }

  /** Types of package URLs that the question may mean. */
  get types(): readonly string[] {
    return [...new Set(this.readings.flatMap(({ type }) => (type === null ? this.#types : [type])))]
  }

  /** Names to look for, of which `judge` then tells which are meant. */
  get spellings(): string[] {
    return [...new Set(this.readings.flatMap(({ type, name }) => spellingsOf(type, name)))]
  }

  /** Whether versions or qualifiers decide: false where `judge` looks at type and name alone. */
  get isNarrow(): boolean {
    return this.readings.some(
      ({ type, name, version, qualifiers }) =>
        version !== null || qualifiers.size > 0 || (name.includes('/') && (type === null || type === 'oci')),
    )
  }

  /** Qualifiers of the question that are not recorded, and so do not narrow. */
  get ignoredQualifiers(): string[] {
    return this.readings.flatMap(({ type, qualifiers }) =>
      [...qualifiers.keys()].filter((key) => type !== null && !isRecorded(type, key)),
    )
  }

  /** Never throws. The best verdict of all readings. */
  judge(found: LoggedPackage): Verdict {
    const verdicts = new Set(this.readings.map((reading) => this.#judgeAs(reading, found)))
    return (['meant', 'unversioned', 'incomparable'] as const).find((each) => verdicts.has(each)) ?? 'other'
  }

  /** As `judge`, of a package whose type and name are known to be meant: by its qualifiers and version alone. */
  judgeVersionOf(found: LoggedPackage): Verdict {
    const [reading] = this.readings
    return reading === undefined ? 'other' : this.#judgeFurther(reading, found)
  }

  #judgeAs(reading: PackageReading, found: LoggedPackage): Verdict {
    const { type, name } = reading
    if (type !== null && type !== found.type) return 'other'
    return isSameName(name, found, type === null) ? this.#judgeFurther(reading, found) : 'other'
  }

  #judgeFurther({ version, qualifiers }: PackageReading, found: LoggedPackage): Verdict {
    let isUnknown = false
    for (const [key, value] of qualifiers) {
      const fit = fitOf(found, key, value)
      if (fit === false) return 'other'
      if (fit === null) isUnknown = true
    }
    const verdict = version === null ? 'meant' : this.#judgeVersion(version, found)
    return isUnknown && verdict === 'meant' ? 'unversioned' : verdict
  }

  #judgeVersion(wish: Piece, found: LoggedPackage): Verdict {
    const test = this.#tests.get(keyOf(found.type, wish))
    if (test === undefined) return 'incomparable'
    const isTag = found.type === 'oci' && !DIGEST.test(wish.text)
    const version = isTag ? (qualifierOf(found.qualifiers, 'tag') ?? '') : found.version
    if (version === '') return 'unversioned'
    const isMeant = test.matches(version)
    if (isMeant === null) return 'incomparable'
    return isMeant ? 'meant' : 'other'
  }

  /** Reads the version as each type would. Of a bare name one type at least must be able to. */
  #prepare({ type, version }: PackageReading): void {
    if (version === null) return
    const named = versTypeOf(version.text)
    const isOneType = type !== null || (named !== null && this.#types.includes(named))
    const types = isOneType ? [type ?? named ?? ''] : this.#types
    const errors: unknown[] = []
    for (const each of types) {
      try {
        this.#tests.set(keyOf(each, version), readVersionWish(each, version.text, version.offset))
      } catch (error) {
        if (!(error instanceof QueryError)) throw error
        errors.push(error)
      }
    }
    if (errors.length === types.length) throw errors[0]
  }
}

function withRange({ type, name, version, qualifiers }: PackageReading, range: string): PackageReading {
  if (version !== null) throw new QueryError(version.offset - 1, 'no version beside a range')
  return { type, name, version: { text: range, offset: 0 }, qualifiers }
}

function keyOf(type: string, { text }: Piece): string {
  return `${type} ${text}`
}

/** Whether a row has the qualifier that is asked for; null where that is not known. */
function fitOf(found: LoggedPackage, key: string, asked: string): boolean | null {
  if (!isRecorded(found.type, key)) return true
  const value = qualifierOf(found.qualifiers, key)
  if (found.type === 'maven') {
    const isFile = found.version !== ''
    return isFile ? (value ?? (key === 'type' ? 'jar' : '')) === asked : null
  }
  if (value === null) return null
  if (key !== 'repository_url') return value.toLowerCase() === asked.toLowerCase()
  const [repository, wanted] = [plainUrl(value), plainUrl(asked)]
  return repository === wanted || repository.startsWith(`${wanted}/`)
}

function plainUrl(url: string): string {
  return url
    .toLowerCase()
    .replace(/^[a-z]+:\/\//, '')
    .replace(/\/+$/, '')
}

/**
 * Reads a question; tells `refuse` what is wrong, and of which part, and returns null then. `range`: versions apart from the package, or null.
 */
export function readMatcher(
  text: string,
  range: string | null,
  types: readonly string[],
  refuse: (part: 'package' | 'range', error: QueryError) => void,
): PackageMatcher | null {
  let part: 'package' | 'range' = 'package'
  try {
    const alone = new PackageMatcher(text, null, types)
    if (range === null) return alone
    // What is beside a range is said of the package.
    part = alone.readings.every(({ version }) => version === null) ? 'range' : 'package'
    return new PackageMatcher(text, range, types)
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    refuse(part, error)
    return null
  }
}
