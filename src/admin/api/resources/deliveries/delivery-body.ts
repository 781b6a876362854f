import { z } from '@hono/zod-openapi'
import { DELIVERY_ID } from '../../../../model/delivery/delivery-id.ts'
import type { DeliveryAccount } from '../../../../store/deliveries/delivery-accounts.ts'
import { DELIVERY_STATES, type DeliveryRow } from '../../../../store/deliveries/deliveries.ts'
import { TIME } from '../../operation.ts'
import { ENTRY } from '../entries/entry-body.ts'

/** Id of a delivery, as senders and receivers get it. */
export const ID = z
  .string()
  .regex(DELIVERY_ID, 'the id of a delivery: a UUID of version 7, lower case')
  .openapi({ example: '019ac0de-0000-7000-8000-000000000000' })

/** A delivery, without what was sent. */
export const DELIVERY = z
  .object({
    id: ID,
    receivedAt: TIME,
    tenant: z.string(),
    route: z.string(),
    state: z.enum(DELIVERY_STATES).openapi({ description: 'All but `waiting` are final.' }),
    attempts: z.int(),
    nextAt: TIME.nullable().openapi({
      description: 'When it is tried again; null where it does not wait for that.',
    }),
    endedAt: TIME.nullable(),
    lastStatus: z.int().nullable().openapi({ description: "The receiver's, at the last attempt." }),
    lastReason: z.string().nullable().openapi({ description: 'Why the last attempt failed.' }),
    senderKey: z.string().nullable().openapi({ description: 'By which its duplicates are told.' }),
    intoId: z.string().nullable().openapi({ description: 'The one that went in its place.' }),
    redeliveryOf: z.string().nullable().openapi({ description: 'The one that it repeats by hand.' }),
    redeliveredAs: z.string().nullable().openapi({ description: 'The one that repeats it.' }),
    requestId: z.string().nullable().openapi({ description: "Of the sender's request." }),
    traceId: z.string().nullable(),
    bodyBytes: z.int(),
  } satisfies Record<keyof DeliveryRow, z.ZodType>)
  .openapi('Delivery')

/** A delivery and the entries of its attempts. */
export const FOUND = DELIVERY.extend({
  entries: z.array(ENTRY).openapi({
    description: 'Access entries of its attempts, newest first, 100 at most; stored a little after.',
  }),
}).openapi('FoundDelivery')

/** The books of a tenant. */
export const ACCOUNT = z
  .object({
    tenant: z.string(),
    accepted: z.int(),
    repeated: z.int().openapi({ description: 'By hand.' }),
    delivered: z.int(),
    waiting: z.int(),
    dead: z.int(),
    dropped: z.int(),
    coalesced: z.int(),
    duplicate: z.int(),
    missing: z.int().openapi({
      description:
        'Access entries that say `accepted` and of which there is no delivery, what waits and nobody would deliver, and what is over and somebody would.',
    }),
  } satisfies Record<keyof DeliveryAccount, z.ZodType>)
  .openapi('DeliveryAccount')

/** As the API shows it. */
export function deliveryBody(row: DeliveryRow): z.infer<typeof DELIVERY> {
  const { receivedAt, nextAt, endedAt } = row
  return {
    ...row,
    receivedAt: receivedAt.toISOString(),
    nextAt: nextAt?.toISOString() ?? null,
    endedAt: endedAt?.toISOString() ?? null,
  }
}
