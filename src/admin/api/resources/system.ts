import { z } from '@hono/zod-openapi'
import { ADDRESS_STATES } from '../../../model/upstream/health-rules.ts'
import { listGateways, type GatewayProcess } from '../../../store/gateways/gateways.ts'
import { json, operation, pageOf, TIME, type Api } from '../operation.ts'
import type { ApiSources } from '../sources.ts'

const OPTION = z
  .object({
    name: z.string(),
    value: z.unknown().openapi({ description: 'Secrets that are set are masked.' }),
    source: z.string().openapi({ description: 'flag, environment, file or default.' }),
    actsOn: z.string().openapi({ description: 'What a change needs: reload, new workers or restart.' }),
    help: z.string(),
  })
  .openapi('Option')

const ROUTE = z
  .looseObject({
    name: z.string(),
    kind: z.string(),
    path: z.string(),
    host: z.string().nullable(),
    auth: z.string(),
  })
  .openapi('Route')

const BY_STATE = z.record(z.enum(ADDRESS_STATES), z.int())

const UPSTREAM = z
  .object({
    route: z.string(),
    upstream: z.string().openapi({ description: 'Host and port, as the configuration writes them.' }),
    states: BY_STATE.openapi({
      description:
        'How it is now, as each worker finds for itself: the number of workers that find it so. ' +
        'With {tenant} in the host, of addresses.',
    }),
    changes: BY_STATE.openapi({ description: 'How often it came into each state, since the start.' }),
  })
  .openapi('Upstream')

const GATEWAY = z
  .object({
    instance: z.uuid(),
    host: z.string(),
    processId: z.int().nullable(),
    version: z.string(),
    startedAt: TIME,
    lastSeenAt: TIME,
    endedAt: TIME.nullable().openapi({
      description: 'Null while it runs, and for one that died without a stop.',
    }),
    directorySilentMs: z.number().nullable().openapi({
      description: 'Since it last said that it follows tenants and keys; null when it does not.',
    }),
  })
  .openapi('Gateway')

const DAY_MS = 86_400_000
const TAGS = ['system']
const READ = { role: 'viewer', isForTenants: false } as const

/** GET /routes, /upstreams, /configuration and /gateways. */
export function addSystem(api: Api, { configuration, reader, served }: ApiSources): void {
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/routes',
      operationId: 'listRoutes',
      tags: TAGS,
      description: 'The routes in force on this gateway: they stand in its configuration.',
      responses: { 200: json(pageOf(ROUTE), 'All on one page') },
    }),
    // Plain data of the configuration: numbers, texts and lists of them.
    (c) => c.json({ items: configuration().routes as z.infer<typeof ROUTE>[], next: null } as never, 200),
  )
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/upstreams',
      operationId: 'listUpstreams',
      tags: TAGS,
      description:
        "The addresses of the routes' upstreams, and how this gateway finds them: serving, unhealthy by their health checks, " +
        'ejected for failures in a row, or behind a breaker that is open or half open.',
      responses: { 200: json(pageOf(UPSTREAM), 'All on one page') },
    }),
    async (c) => c.json({ items: [...(await served.overview()).upstreams], next: null }, 200),
  )
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/configuration',
      operationId: 'getConfiguration',
      tags: TAGS,
      description: 'All options of this gateway with where each comes from: as `waybill config show`.',
      responses: { 200: json(pageOf(OPTION), 'All on one page') },
    }),
    (c) => c.json({ items: configuration().options, next: null } as never, 200),
  )
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/gateways',
      operationId: 'listGateways',
      tags: TAGS,
      description: 'Processes on this database that were seen within a day, newest first.',
      responses: { 200: json(pageOf(GATEWAY), 'All on one page') },
    }),
    async (c) => {
      const found = await listGateways(reader, DAY_MS)
      return c.json({ items: found.map(gatewayBody), next: null }, 200)
    },
  )
}

function gatewayBody(gateway: GatewayProcess): z.infer<typeof GATEWAY> {
  const { startedAt, lastSeenAt, endedAt, ...same } = gateway
  return {
    ...same,
    startedAt: startedAt.toISOString(),
    lastSeenAt: lastSeenAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
  }
}
