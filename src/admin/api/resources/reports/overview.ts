import { z } from '@hono/zod-openapi'
import { readClock } from '../../../../store/entries/retention.ts'
import { json, operation, TIME, type Api } from '../../operation.ts'
import type { ApiSources } from '../../sources.ts'
import { OVERVIEW } from './overview-body.ts'

const META = z
  .object({
    product: z.literal('waybill'),
    version: z.string(),
    now: TIME.openapi({ description: 'The clock of the gateway.' }),
    isTokenRequired: z
      .boolean()
      .openapi({ description: 'False on loopback without a configured token: everybody there may look.' }),
  })
  .openapi('Meta')

const CLOCK = z
  .object({
    now: TIME.openapi({ description: 'The clock of the database, by which entries, expiries and `24h` go.' }),
  })
  .openapi('Clock')

/** GET /meta, GET /clock and GET /overview. */
export function addOverview(api: Api, { served, version, token, reader }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: true },
      {
        method: 'get',
        path: '/meta',
        operationId: 'getMeta',
        tags: ['overview'],
        responses: { 200: json(META, 'What answers') },
      },
    ),
    (c) =>
      c.json(
        {
          product: 'waybill' as const,
          version,
          now: new Date().toISOString(),
          isTokenRequired: token !== '',
        },
        200,
      ),
  )
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: true },
      {
        method: 'get',
        path: '/clock',
        operationId: 'getClock',
        tags: ['overview'],
        responses: { 200: json(CLOCK, 'What time it is') },
      },
    ),
    async (c) => {
      const { databaseMs } = await readClock(reader, Date.now)
      return c.json({ now: new Date(databaseMs).toISOString() }, 200)
    },
  )
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: false },
      {
        method: 'get',
        path: '/overview',
        operationId: 'getOverview',
        tags: ['overview'],
        responses: { 200: json(OVERVIEW, 'What is going on now') },
      },
    ),
    async (c) => {
      // In this order: what is wrong with the figures is among the warnings.
      const { workers, upstreams: _, ...overview } = await served.overview()
      const { ready, reasons, warnings } = await served.readiness()
      const body = {
        ready,
        reasons: [...reasons],
        ...(warnings === undefined ? {} : { warnings: [...warnings] }),
        ...overview,
        ...(workers === undefined ? {} : { workers: [...workers] }),
      }
      return c.json(body, 200)
    },
  )
}
