import { z } from '@hono/zod-openapi'
import { MAX_RETENTION_DAYS, readRetention, setRetention } from '../../../store/entries/retention.ts'
import { change } from '../change.ts'
import { json, jsonBody, operation, type Api } from '../operation.ts'
import type { ApiSources } from '../sources.ts'

const DAYS = z.int().min(1).max(MAX_RETENTION_DAYS)

const RETENTION = z
  .object({
    days: DAYS.nullable().openapi({ description: 'Null before the first gateway.' }),
    isExplicit: z.boolean().openapi({
      description: 'Set by somebody; else it is the longest that any gateway was configured with.',
    }),
  })
  .openapi('Retention')

const TAGS = ['access log']

/** GET and PUT /retention: how many days rows of the access log are kept. */
export function addRetention(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: false },
      {
        method: 'get',
        path: '/retention',
        operationId: 'getRetention',
        tags: TAGS,
        responses: { 200: json(RETENTION, 'What the database says') },
      },
    ),
    async (c) => c.json((await readRetention(control)) ?? { days: null, isExplicit: false }, 200),
  )
  api.openapi(
    operation(
      { role: 'admin', isForTenants: false },
      {
        method: 'put',
        path: '/retention',
        operationId: 'setRetention',
        tags: TAGS,
        description:
          'Sets it for all gateways of the database, whatever their options say. Older days are dropped within an hour, for good.',
        request: { body: jsonBody(z.strictObject({ days: DAYS })) },
        responses: { 200: json(RETENTION, 'Set') },
      },
    ),
    async (c) => {
      const { days } = c.req.valid('json')
      const by = `admin API, ${c.var.signedIn.principal.name}`
      await change(c, control, (tx) => setRetention(tx, days, by))
      return c.json({ days, isExplicit: true }, 200)
    },
  )
}
