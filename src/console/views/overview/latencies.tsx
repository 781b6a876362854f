import { getLatencies, type Point } from '../../api/figures.ts'
import { Heads } from '../../parts/heads.tsx'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { useLoaded } from '../../state/load.ts'
import { withQuery } from '../../state/location.ts'
import { type Range, searchOf } from '../../words/filter.ts'
import { count, duration } from '../../words/format.ts'

const MAX_ROWS = 8
const POLL_MS = 30_000

/** How long requests of each route took, the slowest first. */
export function Latencies({ range }: { readonly range: Range }) {
  const { value, error } = useLoaded(
    `${range.since} ${range.until}`,
    (signal) => getLatencies(range, signal),
    POLL_MS,
  ).value
  const rows = (value?.points ?? []).toSorted((a, b) => (b.p95 ?? 0) - (a.p95 ?? 0)).slice(0, MAX_ROWS)
  return (
    <Panel title="How long requests took" hint="by route, the slowest first">
      <Failure error={error} />
      {value === null ? (
        <div class="waiting" />
      ) : rows.length === 0 ? (
        <Empty title="No request in this window." />
      ) : (
        <Table rows={rows} range={range} />
      )}
    </Panel>
  )
}

function Table({ rows, range }: { readonly rows: readonly Point[]; readonly range: Range }) {
  return (
    <table>
      <Heads of={['Route', ['Requests', 'n wide'], ['p50', 'n'], ['p95', 'n'], ['p99', 'n']]} />
      <tbody>
        {rows.map(({ key, requests, p50, p95, p99 }) => (
          <tr key={key ?? ''}>
            <th scope="row">
              {key === null ? (
                <span class="soft">not attributed</span>
              ) : (
                <a href={withQuery('/requests', searchOf({ route: [key] }, range))}>{key}</a>
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
