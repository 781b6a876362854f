import { type Filter, searchOf } from '../words/filter.ts'
import { ServerEvents } from '../words/server-events.ts'
import { stream } from './client.ts'
import type { Entry } from './entries.ts'

/** Requests since the figures before. */
export interface StreamFigures {
  readonly n: number
  readonly errors: number
  readonly refused: number
}

/** What a stream of entries tells. */
export interface StreamListener {
  /** It has begun: what is stored from now on comes. */
  readonly onOpen: () => void
  readonly onEntry: (entry: Entry) => void
  /** Entries that the gateway did not send; null where nobody counted them. */
  readonly onLeftOut: (n: number | null) => void
  readonly onFigures: (figures: StreamFigures) => void
}

/** The gateway shows every 15 s that a stream lives. */
const SILENCE_MS = 40_000

/**
 * Reads entries as they are stored until the gateway ends that. `place` holds where it is: a second call goes on there. Rejects with an
 * ApiError; when the signal ends it, with what that says.
 */
export async function readEntryStream(
  filter: Filter,
  place: { id: string },
  listener: StreamListener,
  signal: AbortSignal,
): Promise<void> {
  const headers: Record<string, string> = place.id === '' ? {} : { 'last-event-id': place.id }
  const events = new ServerEvents()
  let isOpen = false
  const call = { headers, signal, timeoutMs: SILENCE_MS }
  for await (const text of stream(`/api/v1/entries/stream?${searchOf(filter, null)}`, call)) {
    if (!isOpen) listener.onOpen()
    isOpen = true
    for (const event of events.push(text)) tell(listener, event.event, event.data)
    if (events.lastId !== '') place.id = events.lastId
  }
}

function tell(listener: StreamListener, event: string, data: string): void {
  const value: unknown = JSON.parse(data)
  if (event === 'entry') listener.onEntry(value as Entry)
  else if (event === 'left-out') listener.onLeftOut((value as { n: number | null }).n)
  else if (event === 'figures') listener.onFigures(value as StreamFigures)
}
