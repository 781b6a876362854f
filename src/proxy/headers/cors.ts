import type { Route } from '../../model/route.ts'
import type { CorsRules } from '../../model/route-rules.ts'

/** What a page asks, and where. */
export interface PageRequest {
  readonly req: { readonly method?: string | undefined; readonly rawHeaders: readonly string[] }
  /** Null before a route was found. */
  readonly route: Route | null
}

/** Who asks in a preflight (Fetch Standard, "CORS-preflight request"). */
interface PreflightQuestion {
  readonly origin: string
}

/** Value of a request's field, or null when it is absent or stands twice. */
function fieldOf(rawHeaders: readonly string[], name: string): string | null {
  let found: string | null = null
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const field = rawHeaders[i] ?? ''
    if (field.length !== name.length || field.toLowerCase() !== name) continue
    if (found !== null) return null
    found = rawHeaders[i + 1] ?? ''
  }
  return found
}

/** The question, when the request is a preflight. */
function preflightQuestion({ req }: PageRequest): PreflightQuestion | null {
  if (req.method !== 'OPTIONS') return null
  const origin = fieldOf(req.rawHeaders, 'origin')
  const method = fieldOf(req.rawHeaders, 'access-control-request-method')
  return origin === null || method === null ? null : { origin }
}

/** Whether the gateway answers the request itself: a preflight of a route with `cors`. It bears no credentials and needs none. */
export function isPreflight(request: PageRequest): boolean {
  const cors = request.route?.rules.cors ?? null
  return cors !== null && preflightQuestion(request) !== null
}

/** Fields of the answer to a preflight: nothing but `Vary` for an origin that is not allowed. */
export function preflightFields(request: PageRequest): string[] {
  const cors = request.route?.rules.cors ?? null
  const question = preflightQuestion(request)
  const fields = ['Vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers']
  if (cors === null || question === null || !isAllowed(cors, question.origin)) return fields
  fields.push('Access-Control-Allow-Origin', allowedOrigin(cors, question.origin))
  if (cors.credentials) fields.push('Access-Control-Allow-Credentials', 'true')
  fields.push('Access-Control-Allow-Methods', cors.methods.join(', '))
  if (cors.headers.length > 0) fields.push('Access-Control-Allow-Headers', cors.headers.join(', '))
  fields.push('Access-Control-Max-Age', String(cors.maxAgeSeconds))
  return fields
}

/** Fields by which a page may read the answer, the gateway's own refusals included; appended to `fields`. */
export function addCorsFields(request: PageRequest, fields: string[]): void {
  const cors = request.route?.rules.cors ?? null
  if (cors === null) return
  dropUpstreams(fields)
  fields.push('Vary', 'Origin')
  const origin = fieldOf(request.req.rawHeaders, 'origin')
  if (origin === null || !isAllowed(cors, origin)) return
  fields.push('Access-Control-Allow-Origin', allowedOrigin(cors, origin))
  if (cors.credentials) fields.push('Access-Control-Allow-Credentials', 'true')
  if (cors.exposeHeaders.length > 0)
    fields.push('Access-Control-Expose-Headers', cors.exposeHeaders.join(', '))
}

/** The route decides: two Access-Control-Allow-Origin are none to a browser. */
function dropUpstreams(fields: string[]): void {
  for (let i = fields.length - 2; i >= 0; i -= 2) {
    if (/^access-control-/i.test(fields[i] ?? '')) fields.splice(i, 2)
  }
}

function isAllowed(cors: CorsRules, origin: string): boolean {
  return cors.origins.includes('*') || cors.origins.includes(origin)
}

function allowedOrigin(cors: CorsRules, origin: string): string {
  return cors.origins.includes('*') ? '*' : origin
}
