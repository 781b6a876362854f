import { getTopPackages, type PackageFigure } from '../../api/packages.ts'
import { Heads } from '../../parts/heads.tsx'
import { Meter } from '../../parts/meter.tsx'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { useLoaded } from '../../state/load.ts'
import { withQuery } from '../../state/location.ts'
import { type Range, searchOf } from '../../words/filter.ts'
import { bytes, count } from '../../words/format.ts'

const POLL_MS = 30_000

/** The packages most asked for. A click asks who had one. */
export function TopPackages({ range, limit }: { readonly range: Range; readonly limit: number }) {
  const { value, error } = useLoaded(
    `${range.since} ${range.until} ${limit}`,
    (signal) => getTopPackages(range, limit, signal),
    POLL_MS,
  ).value
  return (
    <Panel title="Top packages" hint="of all tenants, in whole hours, or days of more than a week">
      <Failure error={error} />
      {value === null ? (
        <div class="waiting" />
      ) : value.length === 0 ? (
        <Empty title="No package was asked for in this window.">
          <p>
            Install one through a route of an ecosystem, such as npm: it shows here about two seconds later.
          </p>
        </Empty>
      ) : (
        <Table packages={value} range={range} />
      )}
    </Panel>
  )
}

function Table({ packages, range }: { readonly packages: readonly PackageFigure[]; readonly range: Range }) {
  const most = Math.max(1, ...packages.map(({ requests }) => requests))
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Top packages">
      <table>
        <Heads
          of={[
            'Package',
            'Ecosystem',
            ['Requests', 'n'],
            ['Downloads', 'n'],
            ['Sent', 'n'],
            ['', 'meter-cell'],
          ]}
        />
        <tbody>
          {packages.map(({ ecosystem, package: name, requests, downloads, bytesSent }) => (
            <tr key={`${ecosystem ?? ''} ${name}`}>
              <th scope="row">
                <a href={withQuery('/packages', searchOf({ package: [name] }, range))}>{name}</a>
              </th>
              <td>{ecosystem ?? <span class="soft">–</span>}</td>
              <td class="n">{count(requests)}</td>
              <td class="n">{count(downloads)}</td>
              <td class="n">{bytes(bytesSent)}</td>
              <td class="meter-cell">
                <Meter part={requests} whole={most} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
