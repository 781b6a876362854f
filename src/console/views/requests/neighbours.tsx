import { type Entry, findRequest } from '../../api/entries.ts'
import { Track } from '../../parts/meter.tsx'
import { StatusCode } from '../../parts/outcome.tsx'
import { useLoaded } from '../../state/load.ts'
import { query, withQuery } from '../../state/location.ts'
import { zone } from '../../state/preferences.ts'
import { type Filter, rangeAround, searchOf } from '../../words/filter.ts'
import { duration } from '../../words/format.ts'
import { waterfallOf } from '../../words/life.ts'
import { exactTime } from '../../words/moment.ts'

/** Neighbours of each kind that are drawn. */
const MAX_SHOWN = 8

/** How far around a request its neighbours are searched. */
const AROUND_MS = 1_800_000

/** What the same trace, and the same client, did within a minute around. */
export function Neighbours({ of: entry }: { readonly of: Entry }) {
  const { request_id: id, started_at: at, trace_id: trace, client_ip: address, key_id: key } = entry
  const loaded = useLoaded(id, (signal) => findRequest(id ?? '', at, signal))
  const { value, error } = loaded.value
  if (error !== null) return <p class="hint">Its neighbours cannot be had: {error}</p>
  const client = {
    ...(address === null ? {} : { address: [address] }),
    ...(key === null ? {} : { key: [key] }),
  }
  return (
    <>
      <NeighbourList
        title="Same trace, within a minute"
        of={entry}
        others={value?.sameTrace ?? []}
        all={trace === null ? null : searchAround(entry, { traceId: [trace] })}
      />
      <NeighbourList
        title="Same client, within a minute"
        of={entry}
        others={value?.sameClient ?? []}
        all={address === null ? null : searchAround(entry, client)}
      />
    </>
  )
}

interface NeighbourListProps {
  readonly title: string
  readonly of: Entry
  readonly others: readonly Entry[]
  /** Where all of them are. */
  readonly all: string | null
}

/** The request among its neighbours, on one axis of time. */
function NeighbourList({ title, of: entry, others, all }: NeighbourListProps) {
  if (others.length === 0) return null
  const { rows, axisMs } = waterfallOf(entry, others, MAX_SHOWN)
  return (
    <section>
      <h3>
        {title} {all === null ? null : <a href={all}>All within half an hour</a>}
      </h3>
      <ol class="neighbours">
        {rows.map(({ row, bar, headWidth }) => {
          const time = exactTime(new Date(row.started_at), zone.value)
          return (
            <li key={row.id} class={row === entry ? 'this' : ''}>
              {row === entry ? (
                <strong>{time}</strong>
              ) : (
                <a href={linkTo(row)} title={row.path ?? ''}>
                  {time}
                </a>
              )}
              <StatusCode status={row.status} />
              <span class="mono">{row === entry ? 'this request' : row.path}</span>
              <span class="n">{duration(Number(row.duration_us) / 1000)}</span>
              <Track
                bars={[
                  { name: 'phase-rest', ...bar },
                  { name: 'phase-upstream', left: bar.left, width: headWidth },
                ]}
              />
            </li>
          )
        })}
      </ol>
      <p class="axis">
        <span>Oldest first, {others.length > MAX_SHOWN ? 'the nearest, ' : ''}on one axis</span>
        <span>{duration(axisMs)}</span>
      </p>
    </section>
  )
}

/** What an address says of the request that is open: its moment too, so that it is not searched for in the whole log. */
export function openingOf(entry: Entry): Readonly<Record<'open' | 'at', string>> {
  return { open: entry.request_id ?? entry.id, at: new Date(entry.started_at).toISOString() }
}

/** The same search with that request open. */
function linkTo(entry: Entry): string {
  const parameters = new URLSearchParams(query.value)
  for (const [name, value] of Object.entries(openingOf(entry))) parameters.set(name, value)
  return withQuery('/requests', parameters)
}

/** A search around the moment of a request. */
export function searchAround({ started_at: at }: Entry, filter: Filter): string {
  return withQuery('/requests', searchOf(filter, rangeAround(Date.parse(at), AROUND_MS)))
}
