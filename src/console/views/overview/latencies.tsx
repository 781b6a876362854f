import { getLatencies, type Point } from '../../api/figures.ts'
import { Heads } from '../../parts/heads.tsx'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { NotAttributed } from '../../parts/tenant-link.tsx'
import { useLoaded } from '../../state/load.ts'
import { withQuery } from '../../state/location.ts'
import { type Range, searchOf } from '../../words/filter.ts'
import { count, duration } from '../../words/format.ts'

const MAX_ROWS = 8
const POLL_MS = 30_000

interface LatenciesProps {
  readonly range: Range
  readonly by: 'route' | 'tenant'
}

/** How long requests of each route, or tenant, took, the slowest first. */
export function Latencies({ range, by }: LatenciesProps) {
  const { value, error } = useLoaded(
    `${by} ${range.since} ${range.until}`,
    (signal) => getLatencies(by, range, signal),
    POLL_MS,
  ).value
  const rows = (value?.points ?? []).toSorted((a, b) => (b.p95 ?? 0) - (a.p95 ?? 0)).slice(0, MAX_ROWS)
  return (
    <Panel
      title={by === 'route' ? 'How long requests took' : 'How long tenants waited'}
      hint={`by ${by}, the slowest first`}
    >
      <Failure error={error} />
      {value === null ? (
        <div class="waiting" />
      ) : rows.length === 0 ? (
        <Empty title="No request in this window." />
      ) : (
        <Table rows={rows} range={range} by={by} />
      )}
    </Panel>
  )
}

function Table({ rows, range, by }: LatenciesProps & { readonly rows: readonly Point[] }) {
  return (
    <table>
      <Heads
        of={[
          by === 'route' ? 'Route' : 'Tenant',
          ['Requests', 'n wide'],
          ['p50', 'n'],
          ['p95', 'n'],
          ['p99', 'n'],
        ]}
      />
      <tbody>
        {rows.map(({ key, requests, p50, p95, p99 }) => (
          <tr key={key ?? ''}>
            <th scope="row">
              {key === null ? (
                <NotAttributed />
              ) : (
                <a href={withQuery('/requests', searchOf({ [by]: [key] }, range))}>{key}</a>
              )}
            </th>
            <td class="n wide">{count(requests)}</td>
            {[p50, p95, p99].map((us, i) => (
              <td class="n" key={i}>
                {duration(us === null ? null : us / 1000)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
