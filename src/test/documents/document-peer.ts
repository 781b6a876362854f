import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import { largePackument } from './large-packument.ts'

// oxlint-disable unicorn/require-post-message-target-origin -- that is of windows
// The other ends of a gateway that is measured, in threads of their own: what they do is no turn of its event loop.

/** What a thread is to be. */
export type PeerRole =
  | { readonly role: 'upstream'; readonly size: number }
  | {
      readonly role: 'client'
      readonly port: number
      readonly path: string
      readonly coding: string
      readonly key: string
    }

const role = workerData as PeerRole

if (role.role === 'upstream') {
  let plain: Buffer = Buffer.alloc(0)
  let gzipped = plain
  const server = createServer((req, res) => {
    const isGzip = req.headers['accept-encoding'] === 'gzip'
    res.setHeader('content-type', 'application/json')
    if (isGzip) res.setHeader('content-encoding', 'gzip')
    res.end(isGzip ? gzipped : plain)
  })
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    plain = largePackument(`http://127.0.0.1:${port}/`, role.size)
    gzipped = gzipSync(plain)
    parentPort?.postMessage([port, plain.length])
  })
} else {
  const { port, path, coding, key } = role
  get(
    { host: '127.0.0.1', port, path, headers: { 'accept-encoding': coding, authorization: `Bearer ${key}` } },
    (res) => {
      let bytes = 0
      res.on('data', (data: Buffer) => (bytes += data.length))
      res.on('end', () => parentPort?.postMessage([res.statusCode, bytes]))
    },
  )
}
