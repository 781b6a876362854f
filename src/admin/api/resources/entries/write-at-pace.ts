import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { within } from '../../../../lib/time/within.ts'

/** A client that takes nothing for so long has stopped reading. */
const MAX_STALL_MS = 30_000

/** Writes, and waits until the client has taken most of it. Rejects when the client has gone, and after 30 s in which it takes nothing. */
export async function writeAtPace(out: Writable, text: string, gone: AbortSignal): Promise<void> {
  gone.throwIfAborted()
  if (text === '' || out.write(text)) return
  await within(once(out, 'drain', { signal: gone }), { ms: MAX_STALL_MS, what: 'the client', signal: gone })
}
