import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { withoutCredentials } from '../../../model/delivery/mask-content.ts'
import type { ParcelHead } from '../../../model/delivery/parcel.ts'

/** An address that is silent for so long takes nothing. */
const SILENCE_MS = 10_000

/** What is sent. */
interface Copied {
  readonly id: string
  readonly receivedAt: Date
  readonly head: ParcelHead
  readonly body: Buffer
  /** Fields that the gateway sets, lower case: they are for the upstream. */
  readonly ownFields: ReadonlySet<string>
}

/** How it ended, in words. `isTaken`: with 2xx. */
export interface CopyEnd {
  readonly isTaken: boolean
  readonly words: string
}

/**
 * Sends a delivery to an address: its method, fields and body, without credentials of the sender or for the upstream; its query where the address has
 * none. Redirects are not followed. Never rejects.
 */
export async function sendCopy(
  url: URL,
  { id, receivedAt, head, body, ownFields }: Copied,
): Promise<CopyEnd> {
  const request = url.protocol === 'https:' ? tlsRequest : plainRequest
  const headers = [
    ['host', url.host],
    ...withoutCredentials(head.fields, ownFields).filter(([name]) => name.toLowerCase() !== 'host'),
    ['waybill-delivery-id', id],
    ['waybill-received-at', receivedAt.toISOString()],
    // What is tried out must not be taken for a delivery.
    ['waybill-replay', 'true'],
    ['content-length', String(body.length)],
    ['connection', 'close'],
  ].flat()
  return await new Promise((resolve) => {
    const fail = (error: NodeJS.ErrnoException): void =>
      resolve({ isTaken: false, words: `failed: ${error.code ?? error.message}` })
    const path = `${url.pathname}${url.search === '' ? head.query : url.search}`
    const { hostname, port } = url
    const options = {
      host: hostname.replace(/^\[|\]$/g, ''),
      port,
      path,
      method: head.method,
      headers,
      agent: false as const,
      timeout: SILENCE_MS,
    }
    try {
      const sent = request(options)
      sent.on('timeout', () => sent.destroy(Object.assign(new Error('silent'), { code: 'ETIMEDOUT' })))
      sent.on('error', fail)
      sent.on('response', (response) => {
        const status = response.statusCode ?? 0
        response.destroy()
        resolve({ isTaken: status >= 200 && status < 300, words: String(status) })
      })
      sent.end(body)
    } catch (error) {
      // A field that Node does not send.
      fail(error as Error)
    }
  })
}
