import { useSignal } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import {
  type Decided,
  decideSearch,
  type DeliverySearch,
  dropOne,
  redeliverOne,
} from '../../api/deliveries.ts'
import { fixedRange } from '../../api/entries.ts'
import { gatewayNow } from '../../api/gateway-clock.ts'
import { FormEnd, useChange } from '../../parts/change.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { type Decision, DELIVERY_STATES } from '../../words/delivery.ts'
import { several } from '../../words/format.ts'

/** What may be decided, as its button says. */
export const DECISION_LABELS: Readonly<Record<Decision, string>> = {
  redeliver: 'Deliver once more',
  drop: 'Give up',
}

const WARNINGS: Readonly<Record<Decision, string>> = {
  redeliver: 'Each is delivered as a new one with an id of its own, behind what waits.',
  drop: 'What is given up is not delivered. An attempt that is under way may still reach its receiver.',
}

/** Asks whether one is to be delivered once more, or given up. */
export function OneDialog({
  what,
  id,
  onClose,
}: {
  readonly what: Decision
  readonly id: string
  /** With the id of the new one, where there is one. */
  readonly onClose: (madeId: string | null) => void
}) {
  const [change, run] = useChange()
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    void run(async () => {
      const made = what === 'redeliver' ? await redeliverOne(id) : null
      if (what === 'drop') await dropOne(id)
      onClose(made)
    })
  }
  return (
    <Dialog title={`${DECISION_LABELS[what]}?`} onClose={() => onClose(null)}>
      <form class="form" onSubmit={submit}>
        <p class="mono">{id}</p>
        <p>{WARNINGS[what]}</p>
        <FormEnd change={change.value} label={DECISION_LABELS[what]} isDanger={what === 'drop'} />
      </form>
    </Dialog>
  )
}

/** Asks whether all that a search finds is to be delivered once more, or given up; says how many were. */
export function SearchDialog({
  what,
  search,
  onClose,
}: {
  readonly what: Decision
  readonly search: DeliverySearch
  readonly onClose: () => void
}) {
  const [change, run] = useChange()
  // What is delivered once more meanwhile is none of these: who goes on does not decide on it again.
  const asked = useMemo(() => endedBy(search, gatewayNow()), [])
  const total = useSignal(0)
  const last = useSignal<Decided | null>(null)
  const isDone = last.value !== null && !last.value.isMore
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    if (isDone) return onClose()
    void run(async () => {
      last.value = await decideSearch(what, asked)
      total.value += last.value.n
    })
  }
  return (
    <Dialog title={`${DECISION_LABELS[what]}: all of these?`} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <p>{searchWords(search)}</p>
        <p role="status">
          {last.value === null ? WARNINGS[what] : resultWords(what, total.value, last.value.isMore)}
        </p>
        <FormEnd
          change={change.value}
          label={isDone ? 'Close' : last.value === null ? DECISION_LABELS[what] : 'Go on with the others'}
          isDanger={what === 'drop' && !isDone}
        />
      </form>
    </Dialog>
  )
}

/** With an end: what is received from `now` on is not of it. */
function endedBy(search: DeliverySearch, now: Date): DeliverySearch {
  const { since, until } = fixedRange(search.range, now)
  return { ...search, range: { since, until: until === '' ? now.toISOString() : until } }
}

function searchWords({ state, tenant, route, range: { since, until } }: DeliverySearch): string {
  const [, label = 'All'] = DELIVERY_STATES.find(([name]) => name === state) ?? []
  const parts = [
    tenant === '' ? 'of all tenants' : `of the tenant ${tenant}`,
    route === '' ? 'of all routes' : `of the route ${route}`,
    `received since ${since}`,
    ...(until === '' ? [] : [`and before ${until}`]),
  ]
  return `${label} ${parts.join(', ')}.`
}

function resultWords(what: Decision, n: number, isMore: boolean): string {
  const done = what === 'redeliver' ? 'to be delivered once more' : 'given up'
  const rest = isMore ? ' There are others: so many are done at once.' : ''
  return `${several(n, 'delivery', 'deliveries')} ${n === 1 ? 'is' : 'are'} ${done}.${rest}`
}
