import { type Entry, findRequest } from '../../api/entries.ts'
import { StatusCode } from '../../parts/outcome.tsx'
import { useLoaded } from '../../state/load.ts'
import { query, withQuery } from '../../state/location.ts'
import { zone } from '../../state/preferences.ts'
import { dateAndTime } from '../../words/moment.ts'

/** Neighbours of each kind that are drawn. */
const MAX_SHOWN = 8

/** What the same trace, and the same client, did within a minute around. */
export function Neighbours({ of: entry }: { readonly of: Entry }) {
  const { request_id: id, started_at: at } = entry
  const loaded = useLoaded(id, (signal) => findRequest(id ?? '', at, signal))
  const { value, error } = loaded.value
  if (error !== null) return <p class="hint">Its neighbours cannot be had: {error}</p>
  return (
    <>
      <NeighbourList title="Same trace" entries={value?.sameTrace ?? []} />
      <NeighbourList title="Same client, within a minute" entries={value?.sameClient ?? []} />
    </>
  )
}

function NeighbourList({ title, entries }: { readonly title: string; readonly entries: readonly Entry[] }) {
  return entries.length === 0 ? null : (
    <section>
      <h3>{title}</h3>
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

/** The same search with that request open. */
function linkTo({ request_id: id }: Entry): string {
  const parameters = new URLSearchParams(query.value)
  if (id !== null) parameters.set('open', id)
  return withQuery('/requests', parameters)
}
