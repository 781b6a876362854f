import { z } from '@hono/zod-openapi'
import { EVENT_TYPES, receiverId, receiverName } from '../../../model/events/event.ts'
import { messageId } from '../../../model/events/signature.ts'
import { listEvents, readBacklogs, type ListedEvent } from '../../../store/events/event-list.ts'
import { json, LIMIT, operation, pageBody, pageOf, TIME, type Api } from '../operation.ts'
import type { ApiSources } from '../sources.ts'

const EVENT = z
  .object({
    id: z.string().openapi({ description: 'Of what happened.' }),
    message: z.string().openapi({ description: 'The `webhook-id` of its messages.' }),
    type: z.string().openapi({ example: 'key.expiring' }),
    at: TIME,
    data: z.record(z.string(), z.unknown()).openapi({ description: 'By type.' }),
    waiting: z.int().openapi({ description: 'Receivers that have not taken it yet.' }),
    givenUp: z.int().openapi({ description: 'Receivers for which it was given up.' }),
  })
  .openapi('Event')

const RECEIVER = z
  .object({
    name: z.string().openapi({ description: 'The origin of its address; the rest may hold a secret.' }),
    types: z.array(z.enum(EVENT_TYPES)),
    isGone: z.boolean().openapi({
      description: 'It answered 410 to this gateway, and gets nothing until a reload.',
    }),
    waiting: z.int(),
    oldestAt: TIME.nullable().openapi({ description: 'When the oldest that waits was found.' }),
    givenUp: z.int().openapi({ description: 'Of the last 30 days.' }),
    attempts: z.int().openapi({ description: 'With the newest event that it did not take.' }),
    failure: z.string().nullable().openapi({ description: 'What the last of these came to.' }),
  })
  .openapi('EventReceiver')

const TAGS = ['events']
const READ = { role: 'viewer', isForTenants: false } as const

/** GET /events and /events/receivers: what was told, to whom, and what was not taken. */
export function addEvents(api: Api, { control, receivers }: ApiSources): void {
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/events',
      operationId: 'listEvents',
      tags: TAGS,
      description: 'What was found since there are receivers, of the last 30 days.',
      request: {
        query: z.strictObject({
          limit: LIMIT,
          cursor: z.string().min(1).max(300).optional(),
          type: z.enum(EVENT_TYPES).optional(),
        }),
      },
      responses: { 200: json(pageOf(EVENT), 'Events, newest first') },
    }),
    async (c) => {
      const { limit, cursor, type } = c.req.valid('query')
      const found = await listEvents(control, {
        limit: limit + 1,
        ...(cursor === undefined ? {} : { after: cursor }),
        ...(type === undefined ? {} : { type }),
      })
      return c.json(pageBody(found, limit, { body: eventBody, cursor: ({ id }) => id }), 200)
    },
  )
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/events/receivers',
      operationId: 'listEventReceivers',
      tags: TAGS,
      description: 'Where this gateway sends events (option `events`), and what of them was not taken.',
      responses: { 200: json(pageOf(RECEIVER), 'All on one page') },
    }),
    async (c) => {
      const served = receivers()
      const backlogs = await readBacklogs(
        control,
        served.map(({ receiver }) => receiverId(receiver)),
      )
      const items = served.flatMap(({ receiver, isGone }, i) => {
        const backlog = backlogs[i]
        if (backlog === undefined) return []
        const oldestAt = backlog.oldestAt?.toISOString() ?? null
        const { waiting, givenUp, attempts, failure } = backlog
        const named = { name: receiverName(receiver), types: [...receiver.types], isGone }
        return [{ ...named, waiting, oldestAt, givenUp, attempts, failure }]
      })
      return c.json({ items, next: null }, 200)
    },
  )
}

function eventBody(event: ListedEvent): z.infer<typeof EVENT> {
  const { id, type, at, data, waiting, givenUp } = event
  return { id, message: messageId(event), type, at: at.toISOString(), data, waiting, givenUp }
}
