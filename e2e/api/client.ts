import createClient, { type Client, type Middleware } from 'openapi-fetch'
import type { paths } from './schema.ts'

/** A client whose calls are checked by the types that the OpenAPI document gives. */
export interface ApiClient {
  readonly api: Client<paths>
  /** `GET /api/v1/keys/{id}` of every operation that was answered with 2xx or 3xx. */
  readonly answered: ReadonlySet<string>
}

/** Asks as the owner of a token, on connections of its own. */
export function apiClient(url: string, token: string): ApiClient {
  const answered = new Set<string>()
  const api = createClient<paths>({
    baseUrl: url,
    headers: { authorization: `Bearer ${token}`, connection: 'close' },
    redirect: 'manual',
  })
  const note: Middleware = {
    onResponse: ({ request, response, schemaPath }) => {
      if (response.status < 400) answered.add(`${request.method} ${schemaPath}`)
    },
  }
  api.use(note)
  return { api, answered }
}

/** The body of an answer. Throws for a refusal. */
export async function must<T>(
  call: Promise<{ readonly data?: T; readonly error?: unknown; readonly response: Response }>,
): Promise<T> {
  const { data, error, response } = await call
  if (response.status >= 400)
    throw new Error(`${response.status} of ${response.url}: ${JSON.stringify(error)}`)
  return data as T
}
