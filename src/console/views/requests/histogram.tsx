import { getHistogram, type Histogram } from '../../api/counts.ts'
import { StackPlot } from '../../parts/stack-plot.tsx'
import { useLoaded } from '../../state/load.ts'
import { setQuery } from '../../state/location.ts'
import { count, several } from '../../words/format.ts'
import type { Search } from './search.ts'

const HEIGHT_PX = 84

/** The requests of a search over time. What is marked on it becomes the window. */
export function SearchHistogram({ search }: { readonly search: Search }) {
  const { value, error } = useLoaded(search.key, (signal) =>
    getHistogram(search.filter, search.range, signal),
  ).value
  if (error !== null) return <p class="hint note">How many there are over time cannot be had: {error}</p>
  return <div class="histogram">{value === null ? null : <Drawing of={value} />}</div>
}

function Drawing({ of: { items, stepMs, isSample, rows } }: { readonly of: Histogram }) {
  const sum = (read: (bin: Histogram['items'][number]) => number): number =>
    items.reduce((n, bin) => n + read(bin), 0)
  const all = sum(({ n }) => n)
  const errors = sum((bin) => bin.errors)
  const refused = sum((bin) => bin.refused)
  const layers = [
    { name: 'class-5xx', tops: items.map((bin) => bin.errors) },
    { name: 'class-4xx', tops: items.map((bin) => Math.min(bin.n, bin.errors + bin.refused)) },
    { name: 'class-2xx', tops: items.map(({ n }) => n) },
  ]
  return (
    <>
      <ul class="legend">
        <li>
          <span class="swatch class-2xx" /> Requests{' '}
          <strong>
            {isSample ? 'about ' : ''}
            {count(all)}
          </strong>
        </li>
        <li>
          <span class="swatch class-4xx" /> refused <strong>{count(refused)}</strong>
        </li>
        <li>
          <span class="swatch class-5xx" /> failed <strong>{count(errors)}</strong>
        </li>
        <li class="soft">
          {isSample ? `Counted by a sample of ${count(rows)}. ` : ''}Mark a part to narrow the window to it.
        </li>
      </ul>
      <StackPlot
        seconds={items.map(({ at }) => Date.parse(at) / 1000)}
        stepMs={stepMs}
        layers={layers}
        label={`${several(all, 'request')} over time, ${count(refused)} refused, ${count(errors)} failed`}
        heightPx={HEIGHT_PX}
        onMark={(since, until) => setQuery({ since: since.toISOString(), until: until.toISOString() })}
      />
    </>
  )
}
