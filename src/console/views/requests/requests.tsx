import { signal, useSignal } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import { type Entry, findRequest, fixedRange, getEntries } from '../../api/entries.ts'
import { gatewayNow } from '../../api/gateway-clock.ts'
import { CopyAs, type Equivalent } from '../../parts/copy.tsx'
import { Empty, Failure, Page } from '../../parts/page.tsx'
import { RangePicker } from '../../parts/range-picker.tsx'
import { focusActiveRow, PagesFoot } from '../../parts/row-table.tsx'
import { useLoaded } from '../../state/load.ts'
import { query, setQuery } from '../../state/location.ts'
import { usePages } from '../../state/pages.ts'
import {
  FILTER_FIELDS,
  type Filter,
  type Range,
  readFilter,
  readRange,
  searchOf,
  sizeOf,
} from '../../words/filter.ts'
import { EntryDrawer } from './entry-drawer.tsx'
import { EntryTable } from './entry-table.tsx'
import { Export } from './export.tsx'
import { FacetPanel } from './facets.tsx'
import { FilterBar } from './filter-bar.tsx'
import { SearchHistogram } from './histogram.tsx'
import { openingOf } from './neighbours.tsx'

/** The counts are shown until somebody hides them; a narrow window has no room for them. */
const hasCounts = signal(matchMedia('(min-width: 1081px)').matches)

/** Requests by time, and whatever else can be asked of them. */
export function RequestsView() {
  const filter = readFilter(query.value)
  const range = readRange(query.value)
  const round = useSignal(0)
  const key = `${searchOf(filter, range)} ${round.value}`
  const search = useMemo(() => ({ key, filter, range: fixedRange(range, gatewayNow()) }), [key])
  const [state, more] = usePages(key, (cursor, signal) =>
    getEntries(search.filter, search.range, { cursor, signal }),
  )
  const { items: entries } = state.value
  const openId = query.value.get('open')
  const open = useOpened(openId, entries)
  return (
    <Page
      title="Requests"
      tools={
        <>
          <button type="button" class="button" onClick={() => round.value++}>
            Refresh
          </button>
          <RangePicker range={range} />
          <Export filter={filter} range={range} />
          <CopyAs {...equivalentOf(filter, range)} />
        </>
      }
    >
      <FilterBar filter={filter}>
        <button
          type="button"
          class="button"
          aria-expanded={hasCounts.value}
          onClick={() => (hasCounts.value = !hasCounts.value)}
        >
          Counts
        </button>
      </FilterBar>
      <Failure error={state.value.error} />
      <SearchHistogram search={search} />
      <div class={`with-drawer${open === null ? '' : ' open'}${hasCounts.value ? ' counted' : ''}`}>
        {hasCounts.value ? <FacetPanel search={search} /> : null}
        <div class="list-place">
          {entries.length === 0 && !state.value.isLoading ? (
            <NoEntries isFiltered={sizeOf(filter) > 0} />
          ) : (
            <EntryTable
              label="Requests, newest first"
              entries={entries}
              openId={open?.id ?? null}
              onOpen={(entry) => setQuery(openingOf(entry), { replace: true })}
              onEnd={more}
              footer={<PagesFoot of={state.value} />}
            />
          )}
        </div>
        {open === null ? null : <EntryDrawer key={open.id} entry={open} onClose={closeDrawer} />}
      </div>
    </Page>
  )
}

/** The request that the address names: of the rows that are there, or asked for by its id. */
function useOpened(openId: string | null, entries: readonly Entry[]): Entry | null {
  const known = entries.find(
    ({ id, request_id: requestId }) => openId !== null && (requestId === openId || id === openId),
  )
  const asked = openId !== null && known === undefined ? openId : null
  const found = useLoaded(asked, (signal) => findRequest(asked ?? '', query.peek().get('at'), signal))
  if (openId === null) return null
  return known ?? found.value.value?.items.find(({ request_id: id }) => id === openId) ?? null
}

function closeDrawer(): void {
  setQuery({ open: null, at: null }, { replace: true })
  focusActiveRow()
}

function NoEntries({ isFiltered }: { readonly isFiltered: boolean }) {
  return (
    <Empty title={isFiltered ? 'No request matches.' : 'No request in this window.'}>
      <p>
        {isFiltered
          ? 'Take a filter away, or choose a longer window.'
          : 'Choose a longer window above, or send a request with a key: it shows here about two seconds later.'}
      </p>
    </Empty>
  )
}

/** The search as a call, and as `waybill logs`, which takes one value of each kind. */
export function equivalentOf(filter: Filter, range: Range): Equivalent {
  const lacks: string[] = []
  const flags: [string, string][] = []
  for (const { name, label, flag } of FILTER_FIELDS) {
    const [value, ...others] = filter[name] ?? []
    if (value === undefined) continue
    if (flag === null) lacks.push(label.toLowerCase())
    else flags.push([flag, value])
    if (others.length > 0) lacks.push(`the other values of ${label.toLowerCase()}`)
  }
  const times: [string, string][] = [
    ['--since', range.since],
    ['--until', range.until],
  ]
  return {
    path: `/api/v1/entries?${searchOf(filter, range)}`,
    cli: ['logs'],
    flags: [...flags, ...times],
    cliLacks: lacks,
  }
}
