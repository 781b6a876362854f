import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { listenOnLoopback } from './loopback.ts'

/** What a receiver of deliveries got. */
export interface Got {
  readonly path: string
  readonly method: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A receiver that writes down what it gets. */
export interface Receiver {
  /** Ends with a slash. */
  readonly url: string
  /** In the order of arrival, refused ones included. */
  readonly got: readonly Got[]
  /** Those that were answered 2xx. */
  readonly taken: readonly Got[]
  /** What it answers; 204 unless told. One that answers nothing hangs. */
  answer: (got: Got, res: ServerResponse) => void
}

/** Starts one on loopback, closed on teardown. */
export async function startReceiver(t: Test): Promise<Receiver> {
  const got: Got[] = []
  const taken: Got[] = []
  const receiver: { url: string; answer: Receiver['answer'] } = {
    url: '',
    answer: (_, res) => void res.writeHead(204).end(),
  }
  const server = createServer((req, res) => {
    void text(req).then(
      (body) => {
        const one = { path: req.url ?? '', method: req.method ?? '', headers: req.headers, body }
        got.push(one)
        receiver.answer(one, res)
        if (res.statusCode >= 200 && res.statusCode < 300 && res.headersSent) taken.push(one)
      },
      () => {},
    )
  })
  const port = await listenOnLoopback(t, server)
  receiver.url = `http://127.0.0.1:${port}/`
  return Object.assign(receiver, { got, taken })
}
