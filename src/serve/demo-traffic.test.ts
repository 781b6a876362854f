import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { systemClock } from '../lib/time/clock.ts'
import { startTraffic } from './demo-traffic.ts'

t.test(
  'the demo sends what each view of the console shows, one request at a time, until it is stopped',
  async (t) => {
    const seen = new Set<string>()
    let atOnce = 0
    let stop = (): void => {}
    const all = new Promise<void>((resolve) => {
      const server = createServer((req, res) => {
        atOnce++
        t.equal(atOnce, 1, 'one at a time')
        const round = `${req.headers.authorization ?? 'nobody'} ${req.method} ${req.url}`
        const isKnown = seen.has(round)
        seen.add(round)
        res.writeHead(isKnown ? 500 : 200).end(() => atOnce--)
        if (seen.size === 12) resolve()
      })
      server.listen(0, '127.0.0.1')
      t.teardown(() => server.close())
      void once(server, 'listening').then(() => {
        const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        const soon = { ...systemClock, later: (_ms: number, fn: () => void) => systemClock.later(0, fn) }
        stop = startTraffic(origin, { demo: 'd', limited: 'l' }, soon)
      })
    })
    await all
    stop()
    for (const known of [
      'Bearer d GET /npm/waybill-hello/-/waybill-hello-1.1.0.tgz',
      'Bearer l GET /files/hello.txt',
      'Bearer d POST /hooks/status/503',
      'nobody GET /files/hello.txt',
    ])
      t.ok(seen.has(known), known)
  },
)
