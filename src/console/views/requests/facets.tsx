import { FACETS, type Facet, type Facets, type FacetValue, getFacets } from '../../api/counts.ts'
import { useLoaded } from '../../state/load.ts'
import { setQuery } from '../../state/location.ts'
import { FILTER_FIELDS, type Filter, toggled, withValues } from '../../words/filter.ts'
import { count, words } from '../../words/format.ts'
import type { Search } from './search.ts'

/** Values of each field that are drawn. */
const MAX_SHOWN = 6
/** Whose values are codes. */
const CODES: ReadonlySet<Facet> = new Set(['outcome', 'reason', 'artifactKind'])

/** What the requests of a search have most, with counts: a click adds a value to the filter, or takes it away. */
export function FacetPanel({ search }: { readonly search: Search }) {
  const { value, error } = useLoaded(search.key, (signal) =>
    getFacets(search.filter, search.range, signal),
  ).value
  return (
    <aside class="facets" aria-label="Counts of this search" tabIndex={0}>
      {error === null ? null : <p class="hint">They cannot be counted: {error}</p>}
      {value === null ? null : (
        <>
          {value.isSample ? <p class="hint">About: counted by a sample of {count(value.rows)}.</p> : null}
          {FACETS.map((facet) => (
            <FacetList key={facet} facet={facet} facets={value} filter={search.filter} />
          ))}
        </>
      )}
    </aside>
  )
}

interface FacetListProps {
  readonly facet: Facet
  readonly facets: Facets
  readonly filter: Filter
}

function FacetList({ facet, facets, filter }: FacetListProps) {
  const values = facets[facet].filter(({ value }) => value !== null).slice(0, MAX_SHOWN)
  const label = FILTER_FIELDS.find(({ name }) => name === facet)?.label ?? facet
  return values.length === 0 ? null : (
    <section aria-label={label}>
      <h2>{label}</h2>
      <ul>
        {values.map((one) => (
          <li key={one.value}>
            <FacetButton facet={facet} of={one} filter={filter} />
          </li>
        ))}
      </ul>
    </section>
  )
}

interface FacetButtonProps {
  readonly facet: Facet
  readonly of: FacetValue
  readonly filter: Filter
}

function FacetButton({ facet, of: { value, n }, filter }: FacetButtonProps) {
  const text = value ?? ''
  const isChosen = filter[facet]?.includes(text) === true
  const isSingle = FILTER_FIELDS.some(({ name, isSingle }) => name === facet && isSingle)
  const choose = (): void => {
    const next = isSingle ? withValues(filter, facet, isChosen ? [] : [text]) : toggled(filter, facet, text)
    setQuery({ [facet]: next[facet] ?? null })
  }
  return (
    <button type="button" class="facet" aria-pressed={isChosen} title={text} onClick={choose}>
      <span>{CODES.has(facet) ? words(text) : text}</span> <span class="soft">{count(n)}</span>
    </button>
  )
}
