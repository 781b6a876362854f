import { several, words } from './format.ts'
import type { Answerer } from './why.ts'

/** States of deliveries, in the order in which they are offered; all but `waiting` are final. */
export const DELIVERY_STATES = [
  ['waiting', 'Waiting'],
  ['dead', 'Dead letters'],
  ['delivered', 'Delivered'],
  ['dropped', 'Given up'],
  ['coalesced', 'Coalesced'],
  ['duplicate', 'Duplicates'],
] as const

export type DeliveryState = (typeof DELIVERY_STATES)[number][0]

/** What people may decide on. */
export type Decision = 'redeliver' | 'drop'

/** What a sentence about a delivery needs of it. */
interface Told {
  readonly state: DeliveryState
  readonly attempts: number
  readonly lastStatus: number | null
  readonly lastReason: string | null
}

/** The state that an address names; '' for none. */
export function readState(text: string | null): DeliveryState | '' {
  return DELIVERY_STATES.find(([state]) => state === text)?.[0] ?? ''
}

/** What may be decided on deliveries of a state: what is over is delivered once more, what is open is given up. */
export function decisionsOn(state: DeliveryState | ''): readonly Decision[] {
  if (state === 'waiting') return ['drop']
  if (state === 'dead') return ['redeliver', 'drop']
  return state === 'delivered' || state === 'dropped' ? ['redeliver'] : []
}

/** A state in a word or two: one that waits after an attempt that failed says so. */
export function stateWords({ state, attempts }: Pick<Told, 'state' | 'attempts'>): string {
  if (state === 'waiting') return attempts === 0 ? 'waiting' : 'tried again'
  return state === 'dropped' ? 'given up' : state
}

/** Whose doing a state is: it has a mark and a colour. */
export function markOf({ state, attempts }: Pick<Told, 'state' | 'attempts'>): Answerer {
  if (state === 'dead') return 'gateway'
  if (state === 'dropped') return 'client'
  if (state === 'waiting') return attempts === 0 ? 'refused' : 'upstream'
  return 'ok'
}

/** How the last attempt ended; a dash before the first. */
export function answerWords({ lastStatus, lastReason }: Pick<Told, 'lastStatus' | 'lastReason'>): string {
  const reason = lastReason === null || lastReason === 'status' ? '' : words(lastReason)
  if (lastStatus === null || lastStatus === 0) return reason === '' ? '–' : reason
  return reason === '' ? `answered ${lastStatus}` : `${reason} (${lastStatus})`
}

/** What became of a delivery, in one sentence. */
export function deliverySentence(delivery: Told): string {
  const { state, attempts } = delivery
  const last = answerWords(delivery)
  const ending = last === '–' ? '' : `: ${last}`
  const times = several(attempts, 'attempt')
  if (state === 'delivered') return `Delivered, after ${times}${ending}.`
  if (state === 'dead') return `Dead, after ${times}${ending}. It is tried no more.`
  if (state === 'dropped') return 'Given up by hand.'
  if (state === 'coalesced') return 'A later one of the same object went in its place.'
  if (state === 'duplicate') return 'The same had come before, and this one is not delivered.'
  return attempts === 0 ? 'It waits for its first attempt.' : `It waits, after ${times}${ending}.`
}
