import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { lastChange, receipts } from '../../store/directory/followers.ts'
import { StoreError } from '../../store/errors.ts'
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

/** Which processes serve by the last change of a key or tenant, as the principal may know. Rejects with a StoreError when there is none such. */
export async function readReceipts(
  c: Context<ApiEnv>,
  control: Sql,
  { table, id }: { readonly table: 'api_keys' | 'tenants'; readonly id: string },
): Promise<z.infer<typeof RECEIPT>[]> {
  const xid = await lastChange(control, table, id)
  if (xid === null) {
    const [code, what] =
      table === 'tenants' ? (['tenant_not_found', 'tenant'] as const) : (['key_not_found', 'key'] as const)
    throw new StoreError(code, `there is no ${what} ${id}`)
  }
  const found = await receipts(control, xid)
  const isOperator = c.var.signedIn.principal.tenant === null
  return found.map(({ instance, host, processId, isConfirmed, silentMs }) => ({
    instance,
    host: isOperator ? host : null,
    processId: isOperator ? processId : null,
    isConfirmed,
    silentMs,
  }))
}
