import { rateOf, rateText } from '../../../model/rate-limit.ts'
import type { AdminLogEntry, Fields } from '../../../store/admin-log/admin-log.ts'

/** A field of a change as it is shown; null for none of before or after. */
interface Change {
  readonly label: string
  readonly before: string
  readonly after: string
}

/** What a person calls a column; of others the underscores become spaces. */
const LABELS: ReadonlyMap<string, string> = new Map([
  ['rate_per_second', 'rate'],
  ['rate_burst', 'burst'],
  ['max_concurrency', 'concurrency'],
  ['allow_networks', 'networks'],
  ['expires_at', 'expires'],
  ['retires_at', 'retires'],
  ['active_from', 'signs from'],
  ['rotated_to', 'successor'],
  ['is_explicit', 'set by command'],
])

/** Which thing it is, and who owns it, is told before. */
const IDENTITY: ReadonlySet<string> = new Set(['slug', 'id', 'kid', 'tenant'])

/** What verbs say already, with the fields that say it again. */
const SAID: Readonly<Record<string, readonly string[]>> = {
  created: ['name', 'state'],
  deleted: ['state'],
  suspended: ['state'],
  resumed: ['state'],
  revoked: ['revoked_at'],
  stored: ['resolution'],
  dropped: ['resolution'],
}

/** A change in one line: `tenant acme: rate 50:100 → 20:40`. */
export function changeWords({ action, subject, name, tenant, before, after }: AdminLogEntry): string {
  const [kind = '', id] = [subject.split(':', 1)[0], subject.split(':').slice(1).join(':')]
  const verb = action.slice(action.indexOf('.') + 1)
  const owner = tenant === null || kind === 'tenant' ? '' : ` of ${tenant}`
  const thing = [kind.replaceAll('-', ' '), id, name === null ? '' : JSON.stringify(name)]
  const head = `${thing.filter(Boolean).join(' ')}${owner}${verb === 'changed' ? '' : ` ${verb}`}`
  const said = SAID[verb] ?? []
  const changes = changesOf(before ?? {}, after ?? {}).filter(({ column }) => !said.includes(column))
  const isUpdate = before !== null && after !== null
  const fields = isUpdate
    ? changes.map(({ label, before: old, after: now }) => `${label} ${old} → ${now}`)
    : changes
        .map(({ label, before: old, after: now }) => ({ label, value: after === null ? old : now }))
        .filter(({ value }) => value !== 'none')
        .map(({ label, value }) => `${label} ${value}`)
  return fields.length === 0 ? head : `${head}: ${fields.join(', ')}`
}

function changesOf(before: Fields, after: Fields): (Change & { readonly column: string })[] {
  const columns = new Set([...Object.keys(before), ...Object.keys(after)])
  const changes: (Change & { readonly column: string })[] = []
  const isWholeRate = columns.has('rate_per_second') && columns.has('rate_burst')
  for (const column of columns) {
    if (IDENTITY.has(column) || (isWholeRate && column === 'rate_burst')) continue
    if (isWholeRate && column === 'rate_per_second')
      changes.push({ column, label: 'rate', before: rateWords(before), after: rateWords(after) })
    else if (column === 'route_rate_limits') changes.push(...routeChanges(before[column], after[column]))
    else {
      const label = LABELS.get(column) ?? column.replaceAll('_', ' ')
      changes.push({ column, label, before: valueWords(before[column]), after: valueWords(after[column]) })
    }
  }
  return changes
}

function rateWords(fields: Fields): string {
  const { rate_per_second: perSecond, rate_burst: burst } = fields
  const isRate = typeof perSecond === 'number' && typeof burst === 'number'
  return rateText(isRate ? rateOf(perSecond, burst) : null)
}

/** Route by route: what of the others stays is not told. */
function routeChanges(before: unknown, after: unknown): (Change & { readonly column: string })[] {
  const [old, now] = [routeRates(before), routeRates(after)]
  return [...new Set([...old.keys(), ...now.keys()])]
    .map((route) => ({
      column: 'route_rate_limits',
      label: `rate of route ${route}`,
      before: old.get(route) ?? 'none',
      after: now.get(route) ?? 'none',
    }))
    .filter((change) => change.before !== change.after)
}

function routeRates(value: unknown): Map<string, string> {
  if (typeof value !== 'object' || value === null) return new Map()
  return new Map(
    Object.entries(value).map(([route, rate]) => {
      const { perSecond, burst } = (rate ?? {}) as { perSecond?: number; burst?: number }
      return [route, rateText(rateOf(perSecond ?? null, burst ?? null))]
    }),
  )
}

function valueWords(value: unknown): string {
  if (value === null || value === undefined) return 'none'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(String).join(' ')
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'string') return value === '' ? '""' : timeWords(value)
  return JSON.stringify(value)
}

/** PostgreSQL's JSON has microseconds, and +00:00. */
function timeWords(value: string): string {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?\+00:00$/.exec(value)
  return match === null ? value : `${match[1] ?? ''}Z`
}
