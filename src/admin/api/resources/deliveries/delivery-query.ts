import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { DELIVERY_STATES, type DeliveryFilter } from '../../../../store/deliveries/deliveries.ts'
import { timeAt } from '../../../parameters.ts'
import { requireOrder } from '../../../window.ts'
import { MOMENT, SLUG } from '../../fields.ts'
import { tenantScope, type ApiEnv } from '../../operation.ts'

export const TAGS = ['deliveries']

/** What restricts deliveries, each optional. */
export const FILTER = {
  tenant: SLUG.optional(),
  route: SLUG.optional(),
  state: z.enum(DELIVERY_STATES).optional(),
  since: MOMENT.optional().openapi({ description: 'Received from then on.' }),
  until: MOMENT.optional().openapi({ description: 'Received before.' }),
}

/**
 * The filter of a request, restricted to what the principal may see. `nowMs`: the database's time. Throws an ApiError for another tenant than the
 * principal's, and a ParameterError for a window that would end before it begins.
 */
export function deliveryFilter(
  c: Context<ApiEnv>,
  query: z.infer<z.ZodObject<typeof FILTER>>,
  nowMs: number,
): DeliveryFilter {
  const { route, state } = query
  const tenant = tenantScope(c, query.tenant)
  const { since, until } = timesOf(query, nowMs)
  requireOrder(since, until)
  return {
    ...(tenant === undefined ? {} : { tenant }),
    ...(route === undefined ? {} : { route }),
    ...(state === undefined ? {} : { state }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  }
}

/** The times that were given, by the database's clock. */
export function timesOf(
  { since, until }: { readonly since?: string | undefined; readonly until?: string | undefined },
  nowMs: number,
): { since?: Date; until?: Date } {
  const time = (text: string | undefined): Date | null =>
    text === undefined ? null : timeAt(nowMs).parse(text)
  const [from, to] = [time(since), time(until)]
  return { ...(from === null ? {} : { since: from }), ...(to === null ? {} : { until: to }) }
}
