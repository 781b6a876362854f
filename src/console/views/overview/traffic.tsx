import { type Compared, getClasses } from '../../api/figures.ts'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { StackPlot } from '../../parts/stack-plot.tsx'
import { useLoaded } from '../../state/load.ts'
import { navigate, withQuery } from '../../state/location.ts'
import { type Range, searchOf } from '../../words/filter.ts'
import { changeOf, count, several } from '../../words/format.ts'
import { CLASSES, rowOf, stackOf } from '../../words/stack.ts'

const POLL_MS = 15_000
const HEIGHT_PX = 180

/** Requests over time by class of their status, with the period before as a line; what is marked on it is opened as requests. */
export function Traffic({ range }: { readonly range: Range }) {
  const { value, error } = useLoaded(
    `${range.since} ${range.until}`,
    (signal) => getClasses(range, signal),
    POLL_MS,
  ).value
  return (
    <Panel title="Requests over time" hint="The line is the period before. Mark a part to see its requests.">
      <Failure error={error} />
      {value === null ? <div class="waiting" /> : <Chart of={value} />}
    </Panel>
  )
}

function Chart({ of: { series, before } }: { readonly of: Compared }) {
  const stepMs = (series.stepMinutes ?? 1) * 60_000
  const window = { since: new Date(series.since), until: new Date(series.until), stepMs }
  const stack = stackOf(series.points, window)
  const total = CLASSES.reduce((sum, name) => sum + stack.totals[name], 0)
  const row = rowOf(before.points, { since: new Date(before.since), until: new Date(before.until), stepMs })
  const totalBefore = row.reduce((sum, n) => sum + n, 0)
  if (total === 0 && totalBefore === 0) return <Empty title="No request in this window." />
  return (
    <div class="traffic">
      <ul class="legend">
        {CLASSES.filter((name) => stack.totals[name] > 0).map((name) => (
          <li key={name}>
            <span class={`swatch class-${name}`} /> {name} <strong>{count(stack.totals[name])}</strong>
          </li>
        ))}
        <li>
          <span class="swatch before" /> the period before <strong>{count(totalBefore)}</strong>{' '}
          {totalBefore === 0 ? null : <span class="soft">now {changeOf(total, totalBefore)}</span>}
        </li>
      </ul>
      <StackPlot
        seconds={stack.seconds}
        stepMs={stepMs}
        layers={CLASSES.map((name) => ({ name: `class-${name}`, tops: stack.tops[name] }))}
        line={{ name: 'before', tops: row }}
        label={`${several(total, 'request')}, ${count(stack.totals['5xx'])} of them failed; in the period before ${count(totalBefore)}`}
        heightPx={HEIGHT_PX}
        onMark={openMarked}
      />
    </div>
  )
}

/** Goes to the requests of the part that was marked. */
function openMarked(since: Date, until: Date): void {
  const range = { since: since.toISOString(), until: until.toISOString() }
  navigate(withQuery('/requests', searchOf({}, range)))
}
