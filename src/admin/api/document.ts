import type { Api } from './operation.ts'

/** The OpenAPI 3.1 document, of the schemas that validate. */
export function documentOf(api: Api, version: string): ReturnType<Api['getOpenAPI31Document']> {
  for (const [name, scheme] of Object.entries(SECURITY)) {
    api.openAPIRegistry.registerComponent('securitySchemes', name, scheme)
  }
  return api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Waybill admin API',
      version,
      description:
        'Everything that the command line can do. `x-waybill-role` is the least role of an operation; with `x-waybill-tenant` the role `tenant` may use it for what is its own.',
    },
  })
}

const SECURITY = {
  token: {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of `waybill tokens create`, or the configured one.',
  },
  session: { type: 'apiKey', in: 'cookie', name: 'waybill_session', description: 'What POST /session sets.' },
} as const
