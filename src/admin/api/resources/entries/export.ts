import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { z } from '@hono/zod-openapi'
import { SHOWN_NAMES, type ShownEntry } from '../../../../artifacts/identify/shown-entry.ts'
import { csvText } from '../../../../lib/csv-text.ts'
import { safeJson } from '../../../../lib/safe-text.ts'
import type { EntryRow } from '../../../../model/entry-columns.ts'
import { streamEntries } from '../../../../store/entries/entries.ts'
import { readClock } from '../../../../store/entries/retention.ts'
import { inTime, operation, type Api } from '../../operation.ts'
import type { ApiSources } from '../../sources.ts'
import { READ_LASTING, TAGS } from './entry-access.ts'
import { viewFor, type EntryView } from './entry-body.ts'
import { ENTRY_QUERY, entryFilter } from './entry-query.ts'
import { writeAtPace } from './write-at-pace.ts'

const FORMATS = {
  csv: {
    type: 'text/csv; charset=utf-8',
    head: csvText([SHOWN_NAMES]),
    text: (rows: readonly EntryRow[], view: EntryView): string =>
      csvText(rows.map(view).map((row) => SHOWN_NAMES.map((name) => row[name as keyof ShownEntry]))),
  },
  ndjson: {
    type: 'application/x-ndjson',
    head: '',
    text: (rows: readonly EntryRow[], view: EntryView): string =>
      rows.map((row) => `${safeJson(view(row))}\n`).join(''),
  },
} as const

/** /entries/export: what `waybill logs --format` prints, oldest first, however much it is. */
export function addExport(api: Api, { reader, logger }: ApiSources): void {
  const text = { schema: z.string() }
  api.openapi(
    operation(READ_LASTING, {
      method: 'get',
      path: '/entries/export',
      operationId: 'exportEntries',
      tags: TAGS,
      description:
        'Every entry that is found, oldest first, as it is read. Ends without the end of its body when it fails on the way: an export that ended well is whole.',
      request: {
        query: z.strictObject({ ...ENTRY_QUERY, format: z.enum(['csv', 'ndjson']).default('ndjson') }),
      },
      responses: {
        200: { content: { 'application/x-ndjson': text, 'text/csv': text }, description: 'The entries' },
      },
    }),
    async (c) => {
      const { format, ...query } = c.req.valid('query')
      const { outgoing } = c.env
      const { signal: gone } = c.var.ended
      const { databaseMs } = await inTime(c, readClock(reader, Date.now))
      const pages = streamEntries(reader, entryFilter(c, query, databaseMs), gone)
      // A search of months for little is silent for long; a client that does not read is cut off by `writeAtPace`.
      outgoing.socket?.setTimeout(0)
      const { type, head, text: textOf } = FORMATS[format]
      const view = viewFor(c.var.signedIn.principal)
      // What fails before the first entry is answered as any failure.
      let page = await pages.next()
      outgoing.writeHead(200, {
        'content-type': type,
        'content-disposition': `attachment; filename="entries.${format}"`,
      })
      try {
        await writeAtPace(outgoing, head, gone)
        for (; page.done !== true && c.env.incoming.method !== 'HEAD'; page = await pages.next()) {
          await writeAtPace(outgoing, textOf(page.value, view), gone)
        }
        outgoing.end()
      } catch (error) {
        // Without the last chunk (RFC 9112 §7.1.1): what was sent does not look whole.
        outgoing.destroy()
        if (!gone.aborted) logger.warn({ err: error }, 'an export of entries failed')
      } finally {
        await pages.return()
      }
      return RESPONSE_ALREADY_SENT
    },
  )
}
