import type { EntryRow } from '../../../model/entry-columns.ts'
import { sleep } from '../../../lib/time/sleep.ts'
import type { EntryFilter } from '../../../store/entries/entries.ts'
import { CommandError } from '../../errors.ts'
import { parseAnswer, type ApiClient } from './api-client.ts'
import { entryOf, entryQuery, exportEntries } from './remote-entries.ts'

/** Ids that are remembered, lest an entry that comes twice is printed twice: those of what a stream repeats. */
const MAX_SEEN = 20_000
const RETRY_MS = 1000
/** Streams that break off one after the other without an event are given up. */
const MAX_FAILURES = 5

interface FollowOptions {
  readonly signal: AbortSignal
  /** A line for stderr. */
  readonly say: (line: string) => void
  /** Between two attempts; a second. */
  readonly retryMs?: number
}

/**
 * Entries as they are stored, by /entries/stream; first, with `since`, those that are there. A stream that breaks off is begun anew where it
 * ended, and so are those of before, so that nothing is missed; what the API leaves out for a slow reader is said. Rejects as the last
 * attempt where several in a row bring nothing, or the first one does not begin.
 */
export async function* followRemote(
  api: ApiClient,
  { since, ...filter }: EntryFilter,
  { signal, say, retryMs = RETRY_MS }: FollowOptions,
): AsyncGenerator<readonly EntryRow[], void, undefined> {
  const seen = new Set<string>()
  const isNew = ({ id }: EntryRow): boolean => {
    if (seen.has(id)) return false
    seen.add(id)
    const [oldest] = seen
    if (seen.size > MAX_SEEN && oldest !== undefined) seen.delete(oldest)
    return true
  }
  let cursor: string | undefined
  /** From when on those of before are still to be read; undefined once they are. */
  let pastFrom = since
  for (let failures = 0; !signal.aborted;) {
    try {
      let hasBegun = false
      const lines = api.lines('/entries/stream', { query: { ...entryQuery(filter), cursor }, signal })
      for await (const event of eventsOf(lines)) {
        hasBegun = true
        cursor = event.id ?? cursor
        // It listens now: what was stored before is read, and nothing lies between.
        if (pastFrom !== undefined) {
          for await (const rows of exportEntries(api, { ...filter, since: pastFrom }, signal)) {
            pastFrom = rows.at(-1)?.started_at ?? pastFrom
            failures = 0
            yield rows.filter(isNew)
          }
          pastFrom = undefined
        }
        failures = 0
        if (event.name === 'left-out') say(leftOutWords(event.data))
        if (event.name === 'entry') yield [entryOf(parseAnswer(event.data) as object)].filter(isNew)
      }
      // As a proxy may answer that cannot reach the gateway.
      if (!hasBegun && !signal.aborted) throw new CommandError('the stream of entries ends before it begins')
    } catch (error) {
      if (signal.aborted) return
      if (++failures > MAX_FAILURES || cursor === undefined) throw error
    }
    await sleep(retryMs, { signal })
  }
}

interface ServerEvent {
  /** '' for one that has an id alone. */
  readonly name: string
  readonly id: string | null
  readonly data: string
}

/** Events of a stream (HTML Standard, server-sent events), as this API writes them: one line of each field. */
async function* eventsOf(lines: AsyncIterable<string>): AsyncGenerator<ServerEvent, void, undefined> {
  let fields: Record<string, string> = {}
  for await (const line of lines) {
    if (line === '') {
      if (fields['id'] !== undefined || fields['event'] !== undefined)
        yield { name: fields['event'] ?? '', id: fields['id'] ?? null, data: fields['data'] ?? '' }
      fields = {}
      continue
    }
    const [, name = '', value = ''] = /^(\w+): ?(.*)$/.exec(line) ?? []
    if (name !== '') fields[name] = value
  }
}

function leftOutWords(data: string): string {
  const { n } = parseAnswer(data) as { n: number | null }
  return `note: ${n ?? 'some'} entries were left out, since they came faster than they were read`
}
