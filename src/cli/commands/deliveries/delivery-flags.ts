import { DELIVERY_ID } from '../../../model/delivery/delivery-id.ts'
import type { DeliveryFilter, DeliveryState } from '../../../store/deliveries/deliveries.ts'
import type { FormatFlags } from '../../flags.ts'
import { requireTenant } from '../../known-names.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { readByPlane, withPlane } from '../../plane/open-plane.ts'
import type { ControlPlane } from '../../plane/plane.ts'
import type { Problems } from '../../problems.ts'

/** The flags of a command about many deliveries. */
export interface DeliveryFlags extends FormatFlags {
  readonly tenant?: string
  readonly route?: string
  readonly state?: string
  readonly since?: string
  readonly until?: string
  readonly limit?: string
}

/** Notes what is no id of a delivery. */
export function checkId(id: string, problems: Problems): void {
  if (!DELIVERY_ID.test(id)) problems.add(`${id.slice(0, 60)}: is not the id of a delivery`)
}

/** Reads the flags as they are at a time, which they may count from. `states`: what `--state` may be. */
export function readFilter(
  flags: DeliveryFlags,
  states: readonly DeliveryState[],
  nowMs: number,
  problems: Problems,
): DeliveryFilter {
  const { tenant, route } = flags
  const state = flags.state === undefined ? undefined : problems.choice('--state', flags.state, states)
  const since = flags.since === undefined ? undefined : problems.time('--since', flags.since, nowMs)
  const until = flags.until === undefined ? undefined : problems.time('--until', flags.until, nowMs)
  if (since !== undefined && until !== undefined && since >= until)
    problems.add('--since must be before --until')
  return {
    ...(tenant === undefined ? {} : { tenant: problems.slug('--tenant', tenant) }),
    ...(route === undefined ? {} : { route: problems.slug('--route', route) }),
    ...(state === undefined ? {} : { state }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  }
}

/**
 * Gives `use` the control plane and the filter of the flags, whose times count from the database's. Throws a UsageError with all that is
 * wrong with them.
 */
export async function withFiltered(
  io: Io,
  flags: DeliveryFlags,
  {
    handle,
    problems,
    states,
  }: {
    readonly handle: 'control' | 'reader'
    readonly problems: Problems
    readonly states: readonly DeliveryState[]
  },
  use: (plane: ControlPlane, filter: DeliveryFilter, nowMs: number) => Promise<ExitCode>,
): Promise<ExitCode> {
  problems.readAtAnyTime((nowMs, found) => readFilter(flags, states, nowMs, found))
  problems.throwIfAny()
  return await withPlane(io, flags, handle, async (plane) => {
    const [filter, nowMs] = await readByPlane(
      plane,
      (now, found) => [readFilter(flags, states, now, found), now] as const,
    )
    await requireTenant(plane, filter.tenant)
    return await use(plane, filter, nowMs)
  })
}
