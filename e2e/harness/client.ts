import { request as httpRequest, type Agent, type IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'

export interface RequestOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Presented as a bearer token. */
  readonly key?: string
  readonly body?: string | Buffer
  /** A connection of its own, closed afterwards, unless given. */
  readonly agent?: Agent
  readonly timeoutMs?: number
}

/** A complete answer. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Sends a request and reads the whole answer. Rejects when it is cut short or late. */
export async function request(url: string, options: RequestOptions = {}): Promise<Answer> {
  const response = await open(url, options)
  const body = await buffer(response)
  if (!response.complete) throw new Error('the answer was cut short')
  return { status: response.statusCode ?? 0, headers: response.headers, body }
}

/** Sends a request and resolves with the head of the answer, its body still to be read. */
export async function open(url: string, options: RequestOptions = {}): Promise<IncomingMessage> {
  const req = httpRequest(url, {
    method: options.method ?? 'GET',
    headers: {
      ...(options.key === undefined ? {} : { authorization: `Bearer ${options.key}` }),
      ...options.headers,
    },
    agent: options.agent ?? false,
    signal: AbortSignal.timeout(options.timeoutMs ?? 20_000),
  })
  req.end(options.body)
  const [response] = (await once(req, 'response')) as [IncomingMessage]
  return response
}
