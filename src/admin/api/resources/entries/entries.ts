import { z } from '@hono/zod-openapi'
import type { EntryRow } from '../../../../model/entry-columns.ts'
import { decodeCursor, encodeCursor, listEntries } from '../../../../store/entries/entries.ts'
import { readClock } from '../../../../store/entries/retention.ts'
import { findRequest } from '../../../../store/entry-search/neighbours.ts'
import { entryParameters } from '../../../entry-parameters.ts'
import { json, LIMIT, operation, pageOf, type Api } from '../../operation.ts'
import { ApiError } from '../../problems.ts'
import type { ApiSources } from '../../sources.ts'
import { addCounts } from './counts.ts'
import { READ, TAGS } from './entry-access.ts'
import { ENTRY, entryBody, viewFor } from './entry-body.ts'
import { ENTRY_QUERY, entryFilter } from './entry-query.ts'
import { addExport } from './export.ts'
import { addStream } from './stream.ts'

const REQUEST_ID = entryParameters(0).requestId

const FOUND = z
  .object({
    items: z
      .array(ENTRY)
      .openapi({ description: 'Newest first; more than one where a client sent the id again.' }),
    sameTrace: z.array(ENTRY).openapi({ description: 'Others of the same trace, within a minute around.' }),
    sameClient: z.array(ENTRY).openapi({
      description: 'Others of the same client address and key, within a minute around.',
    }),
  })
  .openapi('FoundEntries')

/** /entries: the access log, searched. */
export function addEntries(api: Api, sources: ApiSources): void {
  addList(api, sources)
  // Before what takes any name for a request's.
  for (const add of [addCounts, addExport, addStream]) add(api, sources)
  addFound(api, sources)
}

function addList(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/entries',
      operationId: 'listEntries',
      tags: TAGS,
      description: 'A parameter that is repeated means "one of". Pages do not shift when entries come.',
      request: { query: z.strictObject({ ...ENTRY_QUERY, limit: LIMIT, cursor: z.string().optional() }) },
      responses: { 200: json(pageOf(ENTRY), 'Entries, newest first') },
    }),
    async (c) => {
      const { limit, cursor, ...query } = c.req.valid('query')
      const before = cursor === undefined ? null : decodeCursor(cursor)
      if (cursor !== undefined && before === null) throw ApiError.ofField('cursor', 'is not one of this list')
      const { databaseMs } = await readClock(reader, Date.now)
      const filter = entryFilter(c, query, databaseMs)
      const { entries, next } = await listEntries(reader, filter, {
        limit,
        before,
        signal: c.var.ended.signal,
      })
      const view = viewFor(c.var.signedIn.principal)
      const items = entries.map((row) => entryBody(row, view))
      return c.json({ items, next: next === null ? null : encodeCursor(next) }, 200)
    },
  )
}

function addFound(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(READ, {
      method: 'get',
      path: '/entries/{requestId}',
      operationId: 'getEntries',
      tags: TAGS,
      description:
        'What is written of a request, and its neighbours. With `since` and `until` it is found faster.',
      request: {
        params: z.object({
          requestId: z
            .string()
            .refine((text) => REQUEST_ID.parse(text) !== null, { error: `must be ${REQUEST_ID.form}` }),
        }),
        query: z.strictObject({ since: ENTRY_QUERY.since, until: ENTRY_QUERY.until }),
      },
      responses: { 200: json(FOUND, 'Its entries') },
    }),
    async (c) => {
      const { requestId } = c.req.valid('param')
      const { databaseMs } = await readClock(reader, Date.now)
      const filter = { ...entryFilter(c, c.req.valid('query'), databaseMs), requestId }
      const found = await findRequest(reader, filter, c.var.ended.signal)
      if (found.entries.length === 0)
        throw new ApiError(404, 'entry_not_found', {
          title: 'Not found',
          detail: `There is no entry with the request id ${requestId}.`,
        })
      const view = viewFor(c.var.signedIn.principal)
      const bodies = (rows: readonly EntryRow[]) => rows.map((row) => entryBody(row, view))
      const { entries, sameTrace, sameClient } = found
      return c.json(
        { items: bodies(entries), sameTrace: bodies(sameTrace), sameClient: bodies(sameClient) },
        200,
      )
    },
  )
}
