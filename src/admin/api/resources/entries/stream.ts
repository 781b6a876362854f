import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { systemClock } from '../../../../lib/time/clock.ts'
import { sleep } from '../../../../lib/time/sleep.ts'
import { mayUse } from '../../../../model/admin/principal.ts'
import type { EntryFilter } from '../../../../store/entries/entry-filter.ts'
import { storedSince } from '../../../../store/entries/follow-entries.ts'
import { readClock } from '../../../../store/entries/retention.ts'
import { matcherOf } from '../../../../store/entry-search/entry-matcher.ts'
import { inTime, operation, type Api, type ApiEnv } from '../../operation.ts'
import { ApiError } from '../../problems.ts'
import type { ApiSources } from '../../sources.ts'
import { READ, READ_LASTING, TAGS } from './entry-access.ts'
import { viewFor } from './entry-body.ts'
import { ENTRY_QUERY, entryFilter } from './entry-query.ts'
import { EntryTail } from './entry-tail.ts'
import { EventStream } from './event-stream.ts'
import { STREAM_BOUNDS, type StreamBounds } from './stream-bounds.ts'

/** A batch may be so long on its way into the database; what is caught up begins so much earlier. */
const OVERLAP_MS = 10_000

const ID = z.string().regex(/^\d{13,15}$/, 'the id of an event of this stream')

/** /entries/stream: entries as they are stored. */
export function addStream(api: Api, sources: ApiSources): void {
  const bounds = { ...STREAM_BOUNDS, ...sources.streamBounds }
  const tail = new EntryTail(sources, bounds)
  api.openapi(
    operation(READ_LASTING, {
      method: 'get',
      path: '/entries/stream',
      operationId: 'streamEntries',
      tags: TAGS,
      description:
        'Server-sent events: `entry`, an entry; `left-out`, {"n"} entries that did not come since the client read too slowly, null where nobody counted; `figures`, {"n", "errors", "refused"} since those before. The first id comes at once. With the newest, as `Last-Event-ID` or `cursor`, what was missed comes first; entries around it may come again, which their `id` tells.',
      request: {
        query: z.strictObject({ ...ENTRY_QUERY, cursor: ID.optional() }),
        headers: z.object({ 'last-event-id': ID.optional() }),
      },
      responses: {
        200: {
          content: { 'text/event-stream': { schema: z.string() } },
          description: 'Events, until one side ends',
        },
      },
    }),
    async (c) => {
      const { cursor, ...query } = c.req.valid('query')
      const id = c.req.valid('header')['last-event-id'] ?? cursor
      const { databaseMs } = await inTime(c, readClock(sources.reader, Date.now))
      const filter = entryFilter(c, query, databaseMs)
      const aheadMs = databaseMs - systemClock.nowMs()
      const view = viewFor(c.var.signedIn.principal)
      const idOf = (): string => String(Math.floor(systemClock.nowMs() + aheadMs))
      const stream = new EventStream(c.env.outgoing, { matches: matcherOf(filter), view, idOf, bounds })
      const end = await inTime(c, tail.listen(stream))
      c.var.ended.signal.addEventListener('abort', end)
      if (c.var.ended.signal.aborted) end()
      sendHead(c)
      stream.begin(id ?? idOf())
      watch(c, stream, bounds)
      if (id === undefined) stream.release()
      else await catchUp(c, stream, { filter, sources, bounds, fromMs: Number(id), databaseMs })
      return RESPONSE_ALREADY_SENT
    },
  )
}

function sendHead(c: Context<ApiEnv>): void {
  const { outgoing, incoming } = c.env
  outgoing.socket?.setTimeout(0) // `beat` ends what has stalled
  outgoing.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  if (incoming.method === 'HEAD') outgoing.end()
}

interface CatchUp {
  readonly filter: EntryFilter
  readonly sources: ApiSources
  readonly bounds: StreamBounds
  readonly fromMs: number
  readonly databaseMs: number
}

/** Sends what was stored since the event with which the client comes again. */
async function catchUp(c: Context<ApiEnv>, stream: EventStream, given: CatchUp): Promise<void> {
  const { filter, sources, bounds, fromMs, databaseMs } = given
  const { signal } = c.var.ended
  // An id may be of another database, which was ahead of this one.
  const sinceMs = Math.max(Math.min(fromMs, databaseMs) - OVERLAP_MS, databaseMs - bounds.maxCatchUpMs)
  if (sinceMs > fromMs) stream.sayLeftOut()
  let n = 0
  try {
    for await (const rows of storedSince(sources.reader, filter, new Date(sinceMs))) {
      if (n >= bounds.maxCatchUpEntries) {
        stream.sayLeftOut()
        break
      }
      n += rows.length
      await stream.catchUp(rows, signal)
    }
    stream.release()
  } catch (error) {
    if (!signal.aborted) sources.logger.warn({ err: error }, 'a stream of entries could not be caught up')
    c.env.outgoing.destroy() // it comes again
  }
}

/** Shows that the stream lives, and ends it when its client may not listen any more. */
function watch(c: Context<ApiEnv>, stream: EventStream, { beatMs, recheckMs }: StreamBounds): void {
  const { signal: gone } = c.var.ended
  const beats = async (): Promise<void> => {
    for (;;) {
      await sleep(beatMs, { signal: gone, isBackground: true })
      if (gone.aborted) return
      stream.beat()
    }
  }
  const rechecks = async (): Promise<void> => {
    while (await mayStillRead(c)) {
      await sleep(recheckMs, { signal: gone, isBackground: true })
      if (gone.aborted) return
    }
    c.env.outgoing.destroy()
  }
  void beats()
  void rechecks()
}

/** Whether the principal is who it was. While the database is away nobody is sent off: nothing comes then. */
async function mayStillRead(c: Context<ApiEnv>): Promise<boolean> {
  try {
    const { principal } = await c.var.signInAgain()
    return mayUse(principal, READ) && principal.tenant === c.var.signedIn.principal.tenant
  } catch (error) {
    // Wrong tokens of somebody else at the address are no reason either.
    return !(error instanceof ApiError) || error.body.status === 429
  }
}
