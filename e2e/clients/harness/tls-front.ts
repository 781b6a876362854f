import { writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Test } from 'tap'
import { LOCALHOST_BY_AUTHORITY } from '../../harness/certificates.ts'
import { listenOnLoopback } from '../../harness/loopback.ts'
import { testFolder } from '../../harness/product.ts'

/** A reverse proxy that ends TLS on a port of its own, and takes a base path away. */
export interface TlsFront {
  /** `https://localhost:<port>/base/`, or without the path: the gateway's `publicUrl`. */
  readonly url: string
  /** A PEM file with its authority, which clients must be told to trust. */
  readonly caFile: string
  /** Requests that came. */
  readonly requests: number
  /** Names what is behind it. */
  leadTo(origin: string): void
}

const BASE_PATH = '/base'

/** Starts a front on loopback, closed on teardown. What is not below its base path is answered 404. */
export async function startTlsFront(t: Test, prefix: '' | typeof BASE_PATH = BASE_PATH): Promise<TlsFront> {
  const caFile = join(await testFolder(t), 'ca.pem')
  await writeFile(caFile, LOCALHOST_BY_AUTHORITY.ca)
  const state = { requests: 0, origin: '' }
  const server = createServer(LOCALHOST_BY_AUTHORITY, (req, res) => {
    const { method = 'GET', url = '/', headers, rawHeaders } = req
    if (!url.startsWith(`${prefix}/`)) {
      req.resume()
      res.writeHead(404).end('not below the base path\n')
      return
    }
    state.requests++
    // As nginx does with `proxy_pass` and no more: fields of the client, and a connection of its own to what is behind.
    const fields = rawHeaders.flatMap((name, i) => (i % 2 === 0 && !/^connection$/i.test(name) ? [i] : []))
    const onward = httpRequest(`${state.origin}${url.slice(prefix.length)}`, {
      method,
      headers: [
        ...fields.flatMap((i) => [rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '']),
        'Connection',
        'close',
      ],
    })
    onward.on('response', (answer) => {
      const kept = answer.rawHeaders.flatMap((name, i) =>
        i % 2 === 0 && !/^(connection|keep-alive)$/i.test(name) ? [name, answer.rawHeaders[i + 1] ?? ''] : [],
      )
      res.writeHead(answer.statusCode ?? 502, answer.statusMessage, kept)
      pipeline(answer, res).catch(() => res.destroy())
    })
    onward.on('error', () => res.destroy())
    res.on('close', () => onward.destroy())
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) onward.end()
    else pipeline(req, onward).catch(() => onward.destroy())
  })
  const port = await listenOnLoopback(t, server)
  return {
    url: `https://localhost:${port}${prefix}/`,
    caFile,
    get requests() {
      return state.requests
    },
    leadTo: (origin) => void (state.origin = origin),
  }
}
