import { CANARY_OUTCOME, CANARY_TENANT } from '../../model/canary.ts'
import type { EntryRow } from '../../model/entry-columns.ts'
import { compileNetworks, isInNetworks } from '../../model/network.ts'
import { ONE_OF_COLUMNS, statusBounds, type EntryFilter, type OneOfColumn } from '../entries/entry-filter.ts'

type Test = (row: EntryRow) => boolean

/** The filter as a function of a row that was read: it lets pass what `entryCondition` and the times of the filter do. */
export function matcherOf(filter: EntryFilter): Test {
  const { status, outcome, pathPrefix, clientIp, slowerThanUs, since, until } = filter
  const tests: Test[] = []
  for (const [column, value] of [
    ['tenant', filter.tenant],
    ['route', filter.route],
    ['key_id', filter.keyId],
    ['outcome', outcome],
    ['method', filter.method],
    ['artifact_kind', filter.artifactKind],
    ['request_id', filter.requestId],
    ['trace_id', filter.traceId],
    ['rule_id', filter.ruleId],
  ] as const) {
    if (value !== undefined) tests.push((row) => row[column] === value)
  }
  const { oneOf = {} } = filter
  for (const column of ONE_OF_COLUMNS) {
    const values = oneOf[column]
    if (values !== undefined) tests.push(oneOfTest(column, values))
  }
  if (status !== undefined) tests.push(oneOfTest('status', [status]))
  if (pathPrefix !== undefined) tests.push((row) => row.path?.startsWith(pathPrefix) === true)
  const networks = clientIp === undefined ? null : compileNetworks([clientIp])
  if (networks !== null) tests.push((row) => row.client_ip !== null && isInNetworks(networks, row.client_ip))
  if (filter.package !== undefined) tests.push(packageTest(filter.package))
  if (slowerThanUs !== undefined) tests.push((row) => row.duration_us > slowerThanUs)
  if (since !== undefined) tests.push((row) => row.started_at >= since)
  if (until !== undefined) tests.push((row) => row.started_at < until)
  const areCanariesWanted =
    filter.tenant !== undefined ||
    outcome === CANARY_OUTCOME ||
    oneOf.outcome?.includes(CANARY_OUTCOME) === true
  if (!areCanariesWanted) tests.push((row) => row.tenant !== CANARY_TENANT)
  return (row) => tests.every((test) => test(row))
}

function oneOfTest(column: OneOfColumn, values: readonly string[]): Test {
  if (column === 'status') {
    const bounds = values.map(statusBounds)
    return ({ status }) => bounds.some(([low, high]) => status >= low && status <= high)
  }
  const set = new Set<string | null>(values)
  return (row) => set.has(row[column])
}

/** A name, or its end from a segment on, without regard to case and to which of `-_.` it has. */
function packageTest(name: string): Test {
  const folded = (text: string): string => `/${text.toLowerCase().replaceAll(/[_.]/g, '-')}`
  const wanted = folded(name)
  return (row) => row.package !== null && folded(row.package).endsWith(wanted)
}
