import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useMemo } from 'preact/hooks'
import { type Delivery, deliveryQuery, type DeliverySearch, listDeliveries } from '../../api/deliveries.ts'
import { fixedRange } from '../../api/entries.ts'
import { gatewayNow } from '../../api/gateway-clock.ts'
import { CopyAs } from '../../parts/copy.tsx'
import { fieldsOf } from '../../parts/form.ts'
import { Ago } from '../../parts/moment.tsx'
import { Mark } from '../../parts/outcome.tsx'
import { Empty, Failure, Page } from '../../parts/page.tsx'
import { RangePicker } from '../../parts/range-picker.tsx'
import { type Column, focusActiveRow, PagesFoot, RowTable } from '../../parts/row-table.tsx'
import { query, setQuery } from '../../state/location.ts'
import { usePages } from '../../state/pages.ts'
import { isOfTenant, may } from '../../state/session.ts'
import {
  answerWords,
  type Decision,
  decisionsOn,
  DELIVERY_STATES,
  markOf,
  readState,
  stateWords,
} from '../../words/delivery.ts'
import { readRange } from '../../words/filter.ts'
import { bytes, count } from '../../words/format.ts'
import { DeliveryDrawer } from './delivery-drawer.tsx'
import { DECISION_LABELS, SearchDialog } from './decisions.tsx'

/** As long as deliveries are kept, unless the option says otherwise. */
const DEFAULT = { since: '30d', until: '' }

/** What routes with `mode: accept` have kept: what waits, what is dead, what became of the rest. */
export function DeliveriesView() {
  const search: DeliverySearch = {
    tenant: query.value.get('tenant') ?? '',
    route: query.value.get('route') ?? '',
    state: readState(query.value.get('state')),
    range: readRange(query.value, DEFAULT),
  }
  const round = useSignal(0)
  const question = useSignal<Decision | null>(null)
  const key = `${deliveryQuery(search)} ${round.value}`
  const fixed = useMemo(() => ({ ...search, range: fixedRange(search.range, gatewayNow()) }), [key])
  const [pages, more] = usePages(key, (cursor, signal) => listDeliveries(fixed, cursor, signal))
  const { items, isLoading, error } = pages.value
  const openId = query.value.get('open')
  return (
    <Page title="Deliveries" tools={<Tools search={search} onRefresh={() => round.value++} />}>
      <Narrow search={search} />
      <States of={search.state}>
        <Decisions of={search.state} onAsk={(what) => (question.value = what)} />
      </States>
      <Failure error={error} />
      <div class={openId === null ? 'with-drawer lower' : 'with-drawer lower open'}>
        <div class="list-place">
          {items.length === 0 && !isLoading ? (
            <NoDeliveries search={search} />
          ) : (
            <RowTable
              label="Deliveries, newest first"
              rows={items}
              at={({ receivedAt }) => receivedAt}
              columns={COLUMNS}
              cells={(delivery) => <Cells of={delivery} />}
              openId={openId}
              onOpen={({ id }) => setQuery({ open: id }, { replace: true })}
              onEnd={more}
              footer={<PagesFoot of={pages.value} />}
            />
          )}
        </div>
        {openId === null ? null : (
          <DeliveryDrawer
            key={openId}
            id={openId}
            known={items.find(({ id }) => id === openId) ?? null}
            onChange={() => round.value++}
            onClose={closeDrawer}
          />
        )}
      </div>
      {question.value === null ? null : (
        <SearchDialog
          what={question.value}
          search={search}
          onClose={() => {
            question.value = null
            round.value++
          }}
        />
      )}
    </Page>
  )
}

function closeDrawer(): void {
  setQuery({ open: null }, { replace: true })
  focusActiveRow()
}

function Tools({ search, onRefresh }: { readonly search: DeliverySearch; readonly onRefresh: () => void }) {
  const { tenant, route, state, range } = search
  return (
    <>
      <button type="button" class="button" onClick={onRefresh}>
        Refresh
      </button>
      <RangePicker range={range} />
      <CopyAs
        path={`/api/v1/deliveries?${deliveryQuery(search)}`}
        cli={['deliveries', 'list']}
        flags={[
          ['--state', state],
          ['--tenant', tenant],
          ['--route', route],
          ['--since', range.since],
          ['--until', range.until],
        ]}
      />
    </>
  )
}

/** By whom and for which route: the address bears both. */
function Narrow({ search: { tenant, route } }: { readonly search: DeliverySearch }) {
  const submit = (event: SubmitEvent): void => {
    const field = fieldsOf(event)
    setQuery({ route: field('route') || null, ...(isOfTenant() ? {} : { tenant: field('tenant') || null }) })
  }
  return (
    <form class="question" role="search" onSubmit={submit} key={`${tenant} ${route}`}>
      {isOfTenant() ? null : (
        <label>
          Tenant
          <input name="tenant" value={tenant} placeholder="any" autocomplete="off" spellcheck={false} />
        </label>
      )}
      <label>
        Route
        <input name="route" value={route} placeholder="any" autocomplete="off" spellcheck={false} />
      </label>
      <button class="button">Show these</button>
    </form>
  )
}

interface StatesProps {
  readonly of: DeliverySearch['state']
  readonly children: ComponentChildren
}

function States({ of: chosen, children }: StatesProps) {
  return (
    <div class="tabs" role="group" aria-label="Which deliveries">
      {[['', 'All'] as const, ...DELIVERY_STATES].map(([state, label]) => (
        <button
          key={state}
          type="button"
          class="tab"
          aria-pressed={state === chosen}
          onClick={() => setQuery({ state: state === '' ? null : state })}
        >
          {label}
        </button>
      ))}
      {children}
    </div>
  )
}

/** What the one who looks may decide on all that is shown. Their place stays, so that nothing moves. */
function Decisions({
  of: state,
  onAsk,
}: {
  readonly of: DeliverySearch['state']
  readonly onAsk: (what: Decision) => void
}) {
  if (!may('operator')) return null
  const permitted = decisionsOn(state)
  return (
    <div class="tabs-end">
      {(['redeliver', 'drop'] as const).map((what) => (
        <button
          key={what}
          type="button"
          class="button small"
          disabled={!permitted.includes(what)}
          title={permitted.includes(what) ? '' : 'Choose what is dead, or waits'}
          onClick={() => onAsk(what)}
        >
          {DECISION_LABELS[what]} …
        </button>
      ))}
    </div>
  )
}

const COLUMNS: readonly Column[] = [
  ['c-state', 'State'],
  ['c-path', 'Last answer'],
  ['c-attempts n', 'Attempts'],
  ['c-next', 'Next, or ended'],
  ['c-tenant', 'Tenant'],
  ['c-route', 'Route'],
  ['c-bytes n', 'Size'],
]

function Cells({ of: delivery }: { readonly of: Delivery }) {
  const { state, nextAt, endedAt, tenant, route, attempts, bodyBytes } = delivery
  const isDue = nextAt !== null && Date.parse(nextAt) <= gatewayNow().getTime()
  return (
    <>
      <td class="c-state">
        <span class="outcome">
          <Mark of={markOf(delivery)} />
          {stateWords(delivery)}
        </span>
      </td>
      <td class="c-path">{answerWords(delivery)}</td>
      <td class="c-attempts n">{count(attempts)}</td>
      <td class="c-next">
        {state !== 'waiting' ? <Ago at={endedAt} /> : isDue || nextAt === null ? 'due' : <Ago at={nextAt} />}
      </td>
      <td class="c-tenant">{tenant}</td>
      <td class="c-route">{route}</td>
      <td class="c-bytes n">{bytes(bodyBytes)}</td>
    </>
  )
}

function NoDeliveries({ search: { tenant, route, state } }: { readonly search: DeliverySearch }) {
  const isFiltered = tenant !== '' || route !== '' || state !== ''
  return (
    <Empty title={isFiltered ? 'No such delivery.' : 'No delivery in this window.'}>
      <p>
        {isFiltered
          ? 'Choose another state, tenant or route, or a longer window.'
          : 'Routes with mode: accept keep what is sent to them, and deliver it.'}
      </p>
    </Empty>
  )
}
