import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { lastChange, receipts } from '../../store/directory/followers.ts'
import type { Sql } from '../../store/sql.ts'
import type { ApiEnv } from './operation.ts'

/** A gateway process, and whether it serves by a change. */
export const RECEIPT = z
  .object({
    instance: z.string(),
    host: z.string().nullable().openapi({ description: 'Null for a tenant.' }),
    processId: z.int().nullable().openapi({ description: 'Null for a tenant.' }),
    isConfirmed: z.boolean(),
    silentMs: z.number(),
  })
  .openapi('Receipt')

/** Which processes serve by the last change of a key or tenant, as the principal may know. */
export async function readReceipts(
  c: Context<ApiEnv>,
  control: Sql,
  { table, id }: { readonly table: 'api_keys' | 'tenants'; readonly id: string },
): Promise<z.infer<typeof RECEIPT>[]> {
  const xid = await lastChange(control, table, id)
  const found = xid === null ? [] : await receipts(control, xid)
  const isOperator = c.var.signedIn.principal.tenant === null
  return found.map(({ instance, host, processId, isConfirmed, silentMs }) => ({
    instance,
    host: isOperator ? host : null,
    processId: isOperator ? processId : null,
    isConfirmed,
    silentMs,
  }))
}
