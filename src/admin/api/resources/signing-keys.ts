import { z } from '@hono/zod-openapi'
import {
  listSigningKeys,
  rotateSigningKeys,
  type SigningKeyInfo,
} from '../../../store/directory/signing-keys.ts'
import { change } from '../change.ts'
import { json, jsonBody, operation, pageOf, TIME, type Api } from '../operation.ts'
import type { ApiSources } from '../sources.ts'

const SIGNING_KEY = z
  .object({
    kid: z.string(),
    createdAt: TIME,
    activeFrom: TIME.openapi({ description: 'It signs from then on.' }),
    retiresAt: TIME.nullable().openapi({
      description: 'It signs until then; its tokens live on until they expire.',
    }),
  })
  .openapi('SigningKey')

const ROTATION = z.strictObject({
  now: z
    .boolean()
    .default(false)
    .openapi({ description: 'At once, and refuse all tokens of those before it: as after a theft.' }),
})

const TAGS = ['keys']

/** /signing-keys: those that sign the tokens of registries' clients, without their secrets. */
export function addSigningKeys(api: Api, { control }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: false },
      {
        method: 'get',
        path: '/signing-keys',
        operationId: 'listSigningKeys',
        tags: TAGS,
        responses: { 200: json(pageOf(SIGNING_KEY), 'All on one page, the newest first') },
      },
    ),
    async (c) => c.json({ items: (await listSigningKeys(control)).map(keyBody), next: null }, 200),
  )
  api.openapi(
    operation(
      { role: 'admin', isForTenants: false },
      {
        method: 'post',
        path: '/signing-keys/rotate',
        operationId: 'rotateSigningKeys',
        tags: TAGS,
        description: 'Signs with a new one in 30 s; tokens of those before it live on until they expire.',
        request: { body: jsonBody(ROTATION) },
        responses: { 200: json(pageOf(SIGNING_KEY), 'All of them, the newest first') },
      },
    ),
    async (c) => {
      const isAtOnce = c.req.valid('json').now
      const keys = await change(c, control, (tx) => rotateSigningKeys(tx, isAtOnce))
      return c.json({ items: keys.map(keyBody), next: null }, 200)
    },
  )
}

function keyBody({ kid, createdAt, activeFrom, retiresAt }: SigningKeyInfo): z.infer<typeof SIGNING_KEY> {
  return {
    kid,
    createdAt: createdAt.toISOString(),
    activeFrom: activeFrom.toISOString(),
    retiresAt: retiresAt?.toISOString() ?? null,
  }
}
