import { type FailureSum, getFailures } from '../../api/usage.ts'
import { Heads } from '../../parts/heads.tsx'
import { Mark } from '../../parts/outcome.tsx'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { useLoaded } from '../../state/load.ts'
import { withQuery } from '../../state/location.ts'
import { type Filter, type Range, searchOf } from '../../words/filter.ts'
import { count, several, words } from '../../words/format.ts'
import { answererOf } from '../../words/why.ts'

const MAX_ROWS = 6
const POLL_MS = 30_000

interface FailuresProps {
  readonly range: Range
  readonly only: 'failed' | 'refused'
}

/** What failed most, or was refused most, and why: each row opens its requests. */
export function Failures({ range, only }: FailuresProps) {
  const { value, error } = useLoaded(
    `${only} ${range.since} ${range.until}`,
    (signal) => getFailures(only, range, signal),
    POLL_MS,
  ).value
  const rest = (value ?? []).length - MAX_ROWS
  const title = only === 'failed' ? 'What failed' : 'What was refused'
  return (
    <Panel title={title} hint={rest > 0 ? `and ${several(rest, 'other kind')}` : 'by route and reason'}>
      <Failure error={error} />
      {value === null ? (
        <div class="waiting" />
      ) : value.length === 0 ? (
        <Empty title="Nothing in this window." />
      ) : (
        <table>
          <Heads of={['Why', 'Route', [only === 'failed' ? 'Failed' : 'Refused', 'n']]} />
          <tbody>
            {value.slice(0, MAX_ROWS).map((sum) => (
              <FailureRow
                key={`${sum.route ?? ''} ${sum.outcome} ${sum.reason ?? ''}`}
                of={sum}
                {...{ only, range }}
              />
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  )
}

function FailureRow({ of: sum, only, range }: FailuresProps & { readonly of: FailureSum }) {
  const { route, outcome, reason, n } = sum
  const filter: Filter = {
    outcome: [outcome],
    ...(route === null ? {} : { route: [route] }),
    ...(reason === null ? {} : { reason: [reason] }),
    ...(only === 'failed' ? { status: ['5xx'] } : {}),
  }
  return (
    <tr>
      <th scope="row">
        <Mark of={answererOf({ outcome, status: only === 'failed' ? 500 : 400 })} />{' '}
        <a href={withQuery('/requests', searchOf(filter, range))}>{words(reason ?? outcome)}</a>
      </th>
      <td>{route ?? <span class="soft">no route</span>}</td>
      <td class="n">{count(n)}</td>
    </tr>
  )
}
