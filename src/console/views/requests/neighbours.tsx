import { type Entry, findRequest } from '../../api/entries.ts'
import { StatusCode } from '../../parts/outcome.tsx'
import { useLoaded } from '../../state/load.ts'
import { query, withQuery } from '../../state/location.ts'
import { zone } from '../../state/preferences.ts'
import { type Filter, rangeAround, searchOf } from '../../words/filter.ts'
import { dateAndTime } from '../../words/moment.ts'

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
        entries={value?.sameTrace ?? []}
        all={trace === null ? null : searchAround(entry, { traceId: [trace] })}
      />
      <NeighbourList
        title="Same client, within a minute"
        entries={value?.sameClient ?? []}
        all={address === null ? null : searchAround(entry, client)}
      />
    </>
  )
}

interface NeighbourListProps {
  readonly title: string
  readonly entries: readonly Entry[]
  /** Where all of them are. */
  readonly all: string | null
}

function NeighbourList({ title, entries, all }: NeighbourListProps) {
  return entries.length === 0 ? null : (
    <section>
      <h3>
        {title} {all === null ? null : <a href={all}>All within half an hour</a>}
      </h3>
      <ul class="neighbours">
        {entries.slice(0, MAX_SHOWN).map((entry) => (
          <li key={entry.id}>
            <a href={linkTo(entry)}>{dateAndTime(new Date(entry.started_at), zone.value)[1]}</a>
            <StatusCode status={entry.status} />
            <span class="mono">{entry.path}</span>
          </li>
        ))}
      </ul>
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
