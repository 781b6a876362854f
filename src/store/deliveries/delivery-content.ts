import { unpackBody } from '../../deliveries/pack-body.ts'
import type { BodyKey } from '../../model/delivery/body-key.ts'
import { receivedMsOf } from '../../model/delivery/delivery-id.ts'
import type { ParcelHead } from '../../model/delivery/parcel.ts'
import type { Sql } from '../sql.ts'

/** What a sender sent. */
export interface DeliveryContent {
  readonly head: ParcelHead
  readonly body: Buffer
}

/**
 * What was sent of a delivery; null for one that is not there, or was never kept: a duplicate. Rejects with an Error that says why for a body that
 * cannot be opened.
 */
export async function readContent(
  sql: Sql,
  id: string,
  keys: readonly BodyKey[],
): Promise<DeliveryContent | null> {
  const ms = receivedMsOf(id)
  if (ms === null) return null
  const [row] = await sql<{ head: string; packing: string; body: Buffer }[]>`
    SELECT head, packing, body FROM delivery_bodies
    WHERE received_at >= ${new Date(ms)} AND received_at < ${new Date(ms + 1)} AND id = ${id}`
  if (row === undefined) return null
  const { packing, body: bytes } = row
  return { head: JSON.parse(row.head) as ParcelHead, body: unpackBody({ packing, bytes }, keys) }
}
