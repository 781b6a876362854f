import type { Overview } from '../../api/overview.ts'
import { Heads } from '../../parts/heads.tsx'
import { Meter } from '../../parts/meter.tsx'
import { Mark } from '../../parts/outcome.tsx'
import { Empty, Panel } from '../../parts/page.tsx'
import { rates } from '../../state/live.ts'
import { count, perSecond, words } from '../../words/format.ts'
import { answererOf } from '../../words/why.ts'

/** How requests ended since the start, most first. */
export function Outcomes({ overview }: { readonly overview: Overview }) {
  const { byOutcome, total } = overview.requests
  const rows = Object.entries(byOutcome)
    .filter(([, n]) => n > 0)
    .toSorted((a, b) => b[1] - a[1])
  return (
    <Panel title="How requests ended" hint="since start">
      {rows.length === 0 ? (
        <Empty title="No request yet.">
          <p>Send one with a key; it shows here within a second.</p>
        </Empty>
      ) : (
        <table>
          <Heads of={['Outcome', ['per second', 'n'], ['Requests', 'n'], ['', 'meter-cell']]} />
          <tbody>
            {rows.map(([outcome, n]) => (
              <tr key={outcome}>
                <th scope="row">
                  <Mark of={answererOf({ outcome, status: 200 })} />{' '}
                  <a href={`/requests?outcome=${outcome}&since=24h`}>{words(outcome)}</a>
                </th>
                <td class="n">{perSecond(rates.value?.byOutcome[outcome] ?? null)}</td>
                <td class="n">{count(n)}</td>
                <td class="meter-cell">
                  <Meter part={n} whole={total} tone={answererOf({ outcome, status: 200 })} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  )
}
