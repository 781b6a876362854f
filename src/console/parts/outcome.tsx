import { type Answerer, answererOf } from '../words/why.ts'
import { words } from '../words/format.ts'

/** A shape for each answerer: state is never told by colour alone. */
const MARKS: Readonly<Record<Answerer, string>> = {
  ok: 'M5 1a4 4 0 100 8 4 4 0 000-8z',
  refused: 'M5 .8l4.200 4.200L5 9.200.8 5z',
  upstream: 'M5 .8l4.600 8.200H.4z',
  gateway: 'M1.200 1.200h7.600v7.600H1.200z',
  client: 'M1.500 1.500l7 7M8.500 1.500l-7 7',
}

export function Mark({ of }: { readonly of: Answerer }) {
  return (
    <svg class={`mark ${of}`} viewBox="0 0 10 10" aria-hidden="true" focusable="false">
      <path d={MARKS[of]} />
    </svg>
  )
}

/** How a request ended: mark, status, outcome, and the reason where there is one. */
export function OutcomeWords({
  outcome,
  reason,
  status,
}: {
  readonly outcome: string
  readonly reason: string | null
  readonly status: number
}) {
  return (
    <span class="outcome">
      <Mark of={answererOf({ outcome, status })} />
      {words(outcome)}
      {reason === null ? null : <span class="soft"> {words(reason)}</span>}
    </span>
  )
}

/** A status, toned by its class. */
export function StatusCode({ status }: { readonly status: number }) {
  const tone = status >= 500 ? 'bad' : status >= 400 ? 'warn' : ''
  return <span class={`status ${tone}`}>{status}</span>
}
