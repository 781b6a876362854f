/** Ends the name of a candidate that is the same of another build of Waybill. */
const MARK = '@other'

/** The name of a candidate's twin of the other build. */
export function otherBuildOf(candidate: string): string {
  return candidate + MARK
}

/** A candidate's name whatever its build. */
export function nameInAnyBuild(candidate: string): string {
  return candidate.endsWith(MARK) ? candidate.slice(0, -MARK.length) : candidate
}
