import type { EventReceiver, GatewayEvent } from '../../../model/events/event.ts'
import { signedMessage } from '../../../model/events/signature.ts'

/** Longest wait for an answer. */
const TIMEOUT_MS = 10_000

/** How an attempt ended: `gone` is 410, by which a receiver says that it wants nothing any more. */
export type SendResult =
  | { readonly kind: 'taken'; readonly status: number }
  | { readonly kind: 'gone'; readonly status: number }
  | { readonly kind: 'failed'; readonly reason: string }

/** One attempt; `stopped` breaks it off. Never rejects. Follows no redirect, and reads nothing of the answer but its status. */
export async function sendEvent(
  { url, secret }: EventReceiver,
  event: GatewayEvent,
  {
    timeoutMs = TIMEOUT_MS,
    stopped = null,
  }: { readonly timeoutMs?: number; readonly stopped?: AbortSignal | null } = {},
): Promise<SendResult> {
  const { body, headers } = signedMessage(event, secret, Date.now())
  try {
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = stopped === null ? timeout : AbortSignal.any([timeout, stopped])
    const response = await fetch(url, { method: 'POST', body, headers, redirect: 'manual', signal })
    await response.body?.cancel()
    const { status } = response
    if (status >= 200 && status < 300) return { kind: 'taken', status }
    return status === 410 ? { kind: 'gone', status } : { kind: 'failed', reason: `status ${status}` }
  } catch (error) {
    return { kind: 'failed', reason: reasonOf(error, timeoutMs) }
  }
}

/** The messages may hold the URL: codes alone. */
function reasonOf(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.name === 'TimeoutError') return `no answer within ${timeoutMs} ms`
  const code = (error.cause as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : error.name
}
