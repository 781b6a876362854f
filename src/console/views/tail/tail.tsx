import { useSignal } from '@preact/signals'
import type { Entry } from '../../api/entries.ts'
import { CopyAs } from '../../parts/copy.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Empty, Failure, Page } from '../../parts/page.tsx'
import { query } from '../../state/location.ts'
import { type Filter, readFilter, searchOf } from '../../words/filter.ts'
import { count, perSecond, several } from '../../words/format.ts'
import { EntryDrawer } from '../requests/entry-drawer.tsx'
import { EntryTable } from '../requests/entry-table.tsx'
import { FilterBar } from '../requests/filter-bar.tsx'
import { equivalentOf } from '../requests/requests.tsx'
import { type Tail, useTail } from './tail-state.ts'

/** Requests as they happen. It waits while somebody is at the table, by pointer or keyboard. */
export function TailView() {
  const filter = readFilter(query.value)
  const isPointed = useSignal(false)
  const isFocused = useSignal(false)
  const isStopped = useSignal(false)
  const open = useSignal<Entry | null>(null)
  const isPaused = isPointed.value || isFocused.value || isStopped.value || open.value !== null
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
          onPointerEnter={() => (isPointed.value = true)}
          onPointerLeave={() => (isPointed.value = false)}
          onFocusIn={() => (isFocused.value = true)}
          onFocusOut={() => (isFocused.value = false)}
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
  const { came, waiting, leftOut, rate, isConnected } = tail
  const state = isPaused ? 'Paused' : isConnected ? 'Following' : 'Not connected'
  return (
    <p class="tail-state">
      <strong role="status">{state}</strong>
      {waiting === 0 ? null : <span>{count(waiting)} new</span>}
      <span>{perSecond(rate.n)} requests/s</span>
      <span class={rate.refused > 0 ? 'warn' : ''}>{perSecond(rate.refused)} refused/s</span>
      <span class={rate.errors > 0 ? 'bad' : ''}>{perSecond(rate.errors)} failed/s</span>
      <span class="soft">{several(came, 'request')} since it was opened</span>
      {leftOut === 0 ? null : (
        <span class="warn">
          {leftOut === null ? 'some' : count(leftOut)} left out: they are under Requests
        </span>
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
        path={`/api/v1/entries/stream?${searchOf(filter, null)}`}
        isStream
        cli={['logs', '--follow']}
        flags={flags}
        cliLacks={cliLacks}
      />
    </>
  )
}
