import { getUsage, type UsageSum } from '../../api/usage.ts'
import { Heads } from '../../parts/heads.tsx'
import { Meter } from '../../parts/meter.tsx'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { NotAttributed } from '../../parts/tenant-link.tsx'
import { useLoaded } from '../../state/load.ts'
import { withQuery } from '../../state/location.ts'
import { bytes, changeOf, count, several } from '../../words/format.ts'
import { type Range, searchOf } from '../../words/filter.ts'

const MAX_ROWS = 8
const POLL_MS = 15_000

interface UsageProps {
  readonly range: Range
  readonly by: 'tenant' | 'route'
  /** Of this tenant alone. */
  readonly tenant?: string
}

/** Who used most in the window. */
export function Usage({ range, by, tenant }: UsageProps) {
  const loaded = useLoaded(
    `${by} ${range.since} ${range.until} ${tenant ?? ''}`,
    (signal) => getUsage(by, range, signal, tenant),
    POLL_MS,
  )
  const { value, error } = loaded.value
  const title = tenant !== undefined ? 'Use by route' : by === 'tenant' ? 'Top tenants' : 'Top routes'
  const rest = (value ?? []).length - MAX_ROWS
  return (
    <Panel title={title} hint={rest > 0 ? `and ${several(rest, 'other')}` : undefined}>
      <Failure error={error} />
      {value === null ? (
        <div class="waiting" />
      ) : (
        <UsageTable rows={value.slice(0, MAX_ROWS)} range={range} by={by} tenant={tenant} />
      )}
    </Panel>
  )
}

interface UsageTableProps {
  readonly rows: readonly UsageSum[]
  readonly range: Range
  readonly by: 'tenant' | 'route'
  readonly tenant: string | undefined
}

function UsageTable({ rows, range, by, tenant }: UsageTableProps) {
  const most = Math.max(1, ...rows.map((row) => row.requests + row.refused))
  if (rows.length === 0)
    return (
      <Empty title="No request in this window.">
        <p>Choose a longer one above, or send a request with a key.</p>
      </Empty>
    )
  return (
    <table>
      <Heads
        of={[
          by === 'tenant' ? 'Tenant' : 'Route',
          ['Served', 'n'],
          ['Change', 'n wide'],
          ['5xx', 'n'],
          ['Refused', 'n'],
          ['Sent', 'n'],
          ['', 'meter-cell'],
        ]}
      />
      <tbody>
        {rows.map((row) => (
          <tr key={row.name ?? ''}>
            <th scope="row">
              {row.name === null ? (
                <NotAttributed />
              ) : (
                <a
                  href={withQuery(
                    '/requests',
                    searchOf(
                      { ...(tenant === undefined ? {} : { tenant: [tenant] }), [by]: [row.name] },
                      range,
                    ),
                  )}
                >
                  {row.name}
                </a>
              )}
            </th>
            <td class="n">{count(row.requests)}</td>
            <td class="n wide soft" title={`${count(row.before)} in the period before, refused ones too`}>
              {changeOf(row.requests + row.refused, row.before)}
            </td>
            <td class={row.errors > 0 ? 'n bad' : 'n'}>{count(row.errors)}</td>
            <td class={row.refused > 0 ? 'n warn' : 'n'}>{count(row.refused)}</td>
            <td class="n">{bytes(row.bytesSent)}</td>
            <td class="meter-cell">
              <Meter part={row.requests + row.refused} whole={most} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
