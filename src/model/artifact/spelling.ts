/** A package as the log has it. */
export interface LoggedPackage {
  /** Type of package URL. */
  readonly type: string
  readonly name: string
  readonly version: string
  /** As a package URL writes them. */
  readonly qualifiers: string
}

/** Types whose names have no part that a question may leave out: npm's scope belongs to the name. */
const WHOLE_NAMES = new Set(['npm', 'pypi', 'cargo', 'nuget', 'gem'])

/** Types whose namespace a package URL may leave out as well: the vendor of a deb, the host of a repository. */
const OPTIONAL_NAMESPACE = new Set(['deb', 'maven', 'git'])

/** The qualifiers that are recorded, by type. Others in a question say nothing of what is in the log. */
const RECORDED: Readonly<Record<string, readonly string[]>> = {
  deb: ['arch'],
  maven: ['classifier', 'type'],
  oci: ['repository_url', 'tag'],
  gem: ['platform'],
}

/** Whether rows of a type can have the qualifier. */
export function isRecorded(type: string, key: string): boolean {
  return RECORDED[type]?.includes(key) ?? false
}

/** The name in the spelling in which a type's names are compared. */
export function foldName(type: string, name: string): string {
  switch (type) {
    case 'npm':
    case 'maven':
      return name // case matters
    case 'pypi':
      return name.toLowerCase().replaceAll(/[-_.]+/g, '-') // PEP 503
    case 'cargo':
      return name.toLowerCase().replaceAll('_', '-')
    case 'git':
      return name.toLowerCase().replace(/\.git$/, '')
    default:
      return name.toLowerCase()
  }
}

/** Whether the package is the one asked for. `isBare`: asked by its name alone, in no package URL. */
export function isSameName(asked: string, found: LoggedPackage, isBare: boolean): boolean {
  const { type } = found
  if (type === 'oci') return isSameImage(asked, found)
  const [wanted, name] = [foldName(type, asked), foldName(type, found.name)]
  if (wanted === name) return true
  const mayOmit = OPTIONAL_NAMESPACE.has(type) || (isBare && !WHOLE_NAMES.has(type))
  return mayOmit && name.endsWith(`/${wanted}`)
}

/** An image's name is the last segment of its repository, whose whole address is a qualifier. */
function isSameImage(asked: string, { name, qualifiers }: LoggedPackage): boolean {
  const wanted = asked.toLowerCase()
  if (wanted.slice(wanted.lastIndexOf('/') + 1) !== name.toLowerCase()) return false
  if (!wanted.includes('/')) return true
  const repository = `/${(qualifierOf(qualifiers, 'repository_url') ?? name).toLowerCase()}`
  return repository.endsWith(`/${wanted}`)
}

/** A qualifier of a row, decoded; null where it has none. */
export function qualifierOf(qualifiers: string, key: string): string | null {
  for (const pair of qualifiers.split('&')) {
    if (!pair.startsWith(`${key}=`)) continue
    const value = pair.slice(key.length + 1)
    try {
      return decodeURIComponent(value)
    } catch {
      return value
    }
  }
  return null
}

/** The spellings by which the index is asked for a name: it tells no case, and takes `_` and `.` for `-`. */
export function spellingsOf(type: string | null, name: string): string[] {
  const spellings =
    type === null ? [name, foldName('pypi', name), foldName('git', name)] : [foldName(type, name)]
  return [...new Set(spellings)]
}
