import { useSignal } from '@preact/signals'
import { type ComponentChildren, Fragment } from 'preact'
import { type Delivery, findDelivery } from '../../api/deliveries.ts'
import type { Entry } from '../../api/entries.ts'
import { Copyable } from '../../parts/copy.tsx'
import { Drawer } from '../../parts/drawer.tsx'
import { Ago, Moment } from '../../parts/moment.tsx'
import { Mark, StatusCode } from '../../parts/outcome.tsx'
import { Failure } from '../../parts/page.tsx'
import { useLoaded } from '../../state/load.ts'
import { query, setQuery, withQuery } from '../../state/location.ts'
import { zone } from '../../state/preferences.ts'
import { may } from '../../state/session.ts'
import { cliOf, curlOf } from '../../words/command.ts'
import { type Decision, decisionsOn, deliverySentence, markOf } from '../../words/delivery.ts'
import { type Filter, type Range, rangeAround, searchOf } from '../../words/filter.ts'
import { bytes, count, duration } from '../../words/format.ts'
import { exactTime } from '../../words/moment.ts'
import { sentenceOf } from '../../words/why.ts'
import { DECISION_LABELS, OneDialog } from './decisions.tsx'

/** Attempts go on behind the page. */
const POLL_MS = 5000
/** How far around it the request of its sender is looked for. */
const AROUND_MS = 600_000

interface DrawerProps {
  readonly id: string
  /** As the list has it, until it is asked for. */
  readonly known: Delivery | null
  /** It was decided on: the list is old. */
  readonly onChange: () => void
  readonly onClose: () => void
}

/** One delivery: what became of it, its attempts, and what may be decided. */
export function DeliveryDrawer({ id, known, onChange, onClose }: DrawerProps) {
  const round = useSignal(0)
  const question = useSignal<Decision | null>(null)
  const loaded = useLoaded(`${id} ${round.value}`, (signal) => findDelivery(id, signal), POLL_MS)
  const { value, error } = loaded.value
  const delivery = value ?? known
  return (
    <Drawer
      label="One delivery"
      title={delivery === null ? 'A delivery' : `${delivery.route}, of ${delivery.tenant}`}
      isAsking={question.value !== null}
      onClose={onClose}
    >
      <Failure error={error} />
      {delivery === null ? null : (
        <>
          <p class={`why ${markOf(delivery)}`}>
            <Mark of={markOf(delivery)} /> {deliverySentence(delivery)}
          </p>
          <Decisions of={delivery} onAsk={(what) => (question.value = what)} />
          <Attempts of={delivery} entries={value?.entries ?? null} />
          <Fields of={delivery} />
          <CopySection id={id} />
        </>
      )}
      {question.value === null ? null : (
        <OneDialog
          what={question.value}
          id={id}
          onClose={(made) => {
            question.value = null
            round.value++
            onChange()
            if (made !== null) setQuery({ open: made }, { replace: true })
          }}
        />
      )}
    </Drawer>
  )
}

function Decisions({
  of: { state, redeliveredAs },
  onAsk,
}: {
  readonly of: Delivery
  readonly onAsk: (what: Decision) => void
}) {
  if (!may('operator')) return null
  const permitted = decisionsOn(state).filter((what) => what === 'drop' || redeliveredAs === null)
  return permitted.length === 0 ? null : (
    <p class="drawer-tools">
      {permitted.map((what) => (
        <button
          key={what}
          type="button"
          class={what === 'drop' ? 'button danger' : 'button'}
          onClick={() => onAsk(what)}
        >
          {DECISION_LABELS[what]}
        </button>
      ))}
    </p>
  )
}

/** Its attempts, newest first: each is an entry of the access log, stored a little after. */
function Attempts({
  of: { id, receivedAt, attempts, state },
  entries,
}: {
  readonly of: Delivery
  readonly entries: readonly Entry[] | null
}) {
  const all = requests({ requestId: [id] }, { since: new Date(sentMs(receivedAt)).toISOString(), until: '' })
  return (
    <section>
      <h3>
        {attempts === 0 ? 'No attempt yet' : `Attempts: ${count(attempts)}`}{' '}
        {attempts === 0 ? null : <a href={all}>as requests</a>}
      </h3>
      {entries === null ? (
        <div class="waiting" />
      ) : (
        <ol class="attempts">
          {entries.map((entry) => (
            <li key={entry.id}>
              <span>{exactTime(new Date(entry.started_at), zone.value)}</span>
              <StatusCode status={entry.status} />
              <span>{sentenceOf(entry)}</span>
              <span class="n">{duration(Number(entry.duration_us) / 1000)}</span>
            </li>
          ))}
          {entries.length === 0 && attempts > 0 ? (
            <li class="soft">Their entries are not there (yet).</li>
          ) : null}
        </ol>
      )}
      {state === 'coalesced' || state === 'duplicate' ? (
        <p class="hint">The attempts are those of the one that went in its place.</p>
      ) : null}
    </section>
  )
}

/** A sender's clock and ours may differ, and so may those of two gateways. */
function sentMs(receivedAt: string): number {
  return Date.parse(receivedAt) - AROUND_MS
}

function requests(filter: Filter, range: Range): string {
  return withQuery('/requests', searchOf(filter, range))
}

type Field = readonly [label: string, value: ComponentChildren]

function fieldsOf(delivery: Delivery): readonly Field[] {
  const { id, receivedAt, nextAt, endedAt, requestId, traceId } = delivery
  const around = rangeAround(Date.parse(receivedAt), AROUND_MS)
  const since = { since: around.since, until: '' }
  return [
    ['Received', <Moment key="received" at={receivedAt} />],
    ['Next attempt', nextAt === null ? null : <Ago at={nextAt} />],
    ['Ended', endedAt === null ? null : <Moment at={endedAt} />],
    ['Tenant', <a href={`/tenants/${delivery.tenant}`}>{delivery.tenant}</a>],
    ['Route', delivery.route],
    ['Size', `${bytes(delivery.bodyBytes)} (${count(delivery.bodyBytes)} B)`],
    ['Id', <Copyable key="id" text={id} label="id" />],
    [
      "Sender's request",
      requestId === null ? null : <a href={requests({ requestId: [requestId] }, around)}>{requestId}</a>,
    ],
    ['Trace', traceId === null ? null : <a href={requests({ traceId: [traceId] }, since)}>{traceId}</a>],
    ['Duplicates by', delivery.senderKey],
    ['Went as', linkTo(delivery.intoId)],
    ['Repeats', linkTo(delivery.redeliveryOf)],
    ['Repeated as', linkTo(delivery.redeliveredAs)],
  ]
}

/** Another delivery of the same view. */
function linkTo(id: string | null): ComponentChildren {
  if (id === null) return null
  const parameters = new URLSearchParams(query.value)
  parameters.set('open', id)
  return <a href={withQuery('/deliveries', parameters)}>{id}</a>
}

function Fields({ of: delivery }: { readonly of: Delivery }) {
  return (
    <section>
      <h3>Record</h3>
      <dl class="pairs">
        {fieldsOf(delivery).map(([label, value]) =>
          value === null ? null : (
            <Fragment key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </Fragment>
          ),
        )}
      </dl>
    </section>
  )
}

function CopySection({ id }: { readonly id: string }) {
  return (
    <section>
      <h3>Copy as</h3>
      <Copyable text={cliOf(['deliveries', 'show', id])} label="command" />
      <Copyable text={curlOf(`${document.location.origin}/api/v1/deliveries/${id}`)} label="curl line" />
    </section>
  )
}
