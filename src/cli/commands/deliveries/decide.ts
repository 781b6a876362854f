import { REPEATABLE_STATES, type RepeatableState } from '../../../store/deliveries/delivery-decisions.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { writeOut } from '../../output/output.ts'
import { withPlane } from '../../plane/open-plane.ts'
import type { DeliverySearch } from '../../plane/delivery-port.ts'
import type { ControlPlane } from '../../plane/plane.ts'
import { Problems } from '../../problems.ts'
import { checkId, withFiltered, type DeliveryFlags } from './delivery-flags.ts'

/** States of what may be given up. */
export const DROPPABLE_STATES = ['waiting', 'dead'] as const

type DroppableState = (typeof DROPPABLE_STATES)[number]

export interface DecideFlags extends DeliveryFlags {
  readonly all?: boolean
}

const WORDS = { redeliver: 'to be delivered again', drop: 'dropped' } as const

/** Decides on one delivery, or all that the flags name. */
export async function decide(
  io: Io,
  what: keyof typeof WORDS,
  id: string | undefined,
  flags: DecideFlags,
): Promise<ExitCode> {
  const problems = new Problems()
  if ((id === undefined) !== (flags.all === true)) problems.add('name one delivery, or give --all')
  if (id !== undefined) return await decideOne(io, what, id, { flags, problems })
  const states = what === 'redeliver' ? REPEATABLE_STATES : DROPPABLE_STATES
  return await withFiltered(
    io,
    flags,
    { handle: 'control', problems, states },
    async (plane, filter, nowMs) => {
      const { state, ...search } = filter
      const bounded = { ...search, until: beforeNow(filter.until, nowMs) }
      const n =
        what === 'redeliver'
          ? await redeliverAll(plane, bounded, [(state ?? 'dead') as RepeatableState])
          : await dropAll(plane, bounded, state === undefined ? DROPPABLE_STATES : [state as DroppableState])
      await writeOut(io.stdout, `${n} ${WORDS[what]}\n`)
      return 0
    },
  )
}

async function decideOne(
  io: Io,
  what: keyof typeof WORDS,
  id: string,
  { flags, problems }: { readonly flags: DecideFlags; readonly problems: Problems },
): Promise<ExitCode> {
  checkId(id, problems)
  for (const name of ['tenant', 'route', 'state', 'since', 'until'] as const)
    if (flags[name] !== undefined) problems.add(`--${name} needs --all`)
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    if (what === 'drop') await plane.dropOne(id)
    const as = what === 'drop' ? '' : `, as ${await plane.redeliverOne(id)}`
    await writeOut(io.stdout, `1 ${WORDS[what]}${as}\n`)
    return 0
  })
}

/** What a decision makes is not decided on by the next one. */
export function beforeNow(until: Date | undefined, nowMs: number): Date {
  return new Date(Math.min(until?.getTime() ?? Infinity, Math.floor(nowMs)))
}

type Bounded = Omit<DeliverySearch<never>, 'state'>

/** Has all in these states delivered once more, the oldest first; returns how many. */
export async function redeliverAll(
  plane: ControlPlane,
  search: Bounded,
  states: readonly RepeatableState[],
): Promise<number> {
  let total = 0
  for (const state of states)
    for (let isMore = true; isMore;) {
      const decided = await plane.redeliverSearch({ ...search, state })
      total += decided.n
      isMore = decided.isMore
    }
  return total
}

async function dropAll(
  plane: ControlPlane,
  search: Bounded,
  states: readonly DroppableState[],
): Promise<number> {
  let total = 0
  for (const state of states)
    for (let isMore = true; isMore;) {
      const decided = await plane.dropSearch({ ...search, state })
      total += decided.n
      isMore = decided.isMore
    }
  return total
}
