import { useSignal } from '@preact/signals'
import type { Entry } from '../../api/entries.ts'
import { CopyAs } from '../../parts/copy.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Empty, Failure, Page } from '../../parts/page.tsx'
import { query } from '../../state/location.ts'
import { type Filter, readFilter, searchOf } from '../../words/filter.ts'
import { count, several } from '../../words/format.ts'
import { EntryDrawer } from '../requests/entry-drawer.tsx'
import { EntryTable } from '../requests/entry-table.tsx'
import { FilterBar } from '../requests/filter-bar.tsx'
import { equivalentOf } from '../requests/requests.tsx'
import { type Tail, useTail } from './tail-state.ts'

/** Requests as they happen. It waits while somebody is at the table, by pointer or keyboard. */
export function TailView() {
  const filter = readFilter(query.value)
  const isHeld = useSignal(false)
  const isStopped = useSignal(false)
  const open = useSignal<Entry | null>(null)
  const isPaused = isHeld.value || isStopped.value || open.value !== null
  const tail = useTail(searchOf(filter, null).toString(), filter, isPaused)
  const close = (): void => {
    open.value = null
  }
  return (
    <Page
      title="Live tail"
      tools={
        <>
          <button
            type="button"
            class="button"
            aria-pressed={isStopped.value}
            onClick={() => (isStopped.value = !isStopped.value)}
          >
            <Icon name={isStopped.value ? 'play' : 'pause'} /> {isStopped.value ? 'Go on' : 'Pause'}
          </button>
          <TailCopy filter={filter} />
        </>
      }
    >
      <FilterBar filter={filter} />
      <Failure error={tail.error} />
      <TailState tail={tail} isPaused={isPaused} />
      <div class={open.value === null ? 'with-drawer' : 'with-drawer open'}>
        <div
          class="list-place"
          onPointerEnter={() => (isHeld.value = true)}
          onPointerLeave={() => (isHeld.value = false)}
          onFocusIn={() => (isHeld.value = true)}
          onFocusOut={() => (isHeld.value = false)}
        >
          {tail.entries.length === 0 ? (
            <Empty title="Waiting for requests.">
              <p>Each shows about two seconds after it ended. Send one with a key, or take a filter away.</p>
            </Empty>
          ) : (
            <EntryTable
              label="Requests as they happen, newest first"
              entries={tail.entries}
              openId={open.value?.id ?? null}
              onOpen={(entry) => (open.value = entry)}
            />
          )}
        </div>
        {open.value === null ? null : <EntryDrawer key={open.value.id} entry={open.value} onClose={close} />}
      </div>
    </Page>
  )
}

function TailState({ tail, isPaused }: { readonly tail: Tail; readonly isPaused: boolean }) {
  return (
    <p class="tail-state" role="status">
      {isPaused ? (
        <>
          <strong>Paused</strong>
          {tail.waiting === 0 ? '' : `, ${several(tail.waiting, 'new request')}`}
        </>
      ) : (
        'Following'
      )}
      {tail.leftOut === 0 ? null : (
        <span class="warn">, {count(tail.leftOut)} left out: they are under Requests</span>
      )}
    </p>
  )
}

function TailCopy({ filter }: { readonly filter: Filter }) {
  const { flags = [], cliLacks = [] } = equivalentOf(filter, { since: '', until: '' })
  return (
    <>
      <a class="button" href={`/requests?${searchOf(filter, { since: '1h', until: '' })}`}>
        Search these
      </a>
      <CopyAs
        path={`/api/v1/entries?${searchOf(filter, null)}`}
        cli={['logs', '--follow']}
        flags={flags}
        cliLacks={cliLacks}
      />
    </>
  )
}
