import { foldName } from '../artifact/spelling.ts'

/** Types whose packages a rule may name without their namespace; of an image the repository is a qualifier. */
const BY_LAST_SEGMENT: ReadonlySet<string> = new Set(['deb', 'maven', 'git', 'oci'])

/** Whether a rule may leave out what stands before the last segment of a name. */
export function hasOptionalNamespace(type: string): boolean {
  return BY_LAST_SEGMENT.has(type)
}

/**
 * The text by which a package finds the rules that name it: its name in the spelling of its type, or the last segment of it where a rule may
 * leave out the rest. The rule's own look-up is that of the name that it has.
 */
export function lookUpOf(type: string, name: string): string {
  const folded = foldName(type, name)
  return BY_LAST_SEGMENT.has(type) ? folded.slice(folded.lastIndexOf('/') + 1) : folded
}
