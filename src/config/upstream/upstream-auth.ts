import { z } from 'zod'
import { settableProblem } from '../route-rules.ts'

/** How the gateway logs in at an upstream: by a value of Authorization, or by a field of another name. */
export interface UpstreamLogin {
  readonly authorization: string | null
  readonly field: { readonly name: string; readonly value: string } | null
}

const secret = z
  .string()
  .min(1)
  .max(8192)
  .regex(/^[\x20-\x7e]+$/, 'must be printable ASCII')

const fieldName = z.string().superRefine((name, context) => {
  const problem = settableProblem(name)
  if (problem !== null) context.addIssue({ code: 'custom', message: problem })
})

export const UPSTREAM_AUTH_FORM =
  '{ bearer: … }, { basic: { user: …, password: … } }, { header: { name: …, value: … } } or { authorization: … }'

/** Exactly one of them. */
export const upstreamAuth = z.union(
  [
    z.strictObject({ bearer: secret }).transform((a) => byAuthorization(`Bearer ${a.bearer}`)),
    z
      .strictObject({ basic: z.strictObject({ user: z.string().regex(/^[^:]*$/), password: z.string() }) })
      .transform(({ basic: { user, password } }) =>
        byAuthorization(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`),
      ),
    z
      .strictObject({ header: z.strictObject({ name: fieldName, value: secret }) })
      .transform(({ header: field }): UpstreamLogin => ({ authorization: null, field })),
    z.strictObject({ authorization: secret }).transform((a) => byAuthorization(a.authorization)),
  ],
  `must be ${UPSTREAM_AUTH_FORM}`,
)

function byAuthorization(authorization: string): UpstreamLogin {
  return { authorization, field: null }
}
