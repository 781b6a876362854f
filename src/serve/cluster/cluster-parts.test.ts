import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { array, assert, integer, property, record } from 'fast-check'
import t from 'tap'
import { loadConfig } from '../../config/config.ts'
import { OPTION_NAMES } from '../../config/options.ts'
import { workerCount } from '../../config/worker-count.ts'
import { availableCores } from '../../lib/host/cores.ts'
import { connectionShares } from './connection-shares.ts'
import { BorrowedSocket } from './borrowed-socket.ts'
import { bindProxyAddress } from './listening-socket.ts'
import { RestartDelay } from './restart-delay.ts'
import { actsOnNewWorkers, workerConfig } from './worker-config.ts'

t.test(
  'a worker that dies again and again is started ever later, until one lives for a minute',
  async (t) => {
    const delay = new RestartDelay()
    const waits = Array.from({ length: 9 }, () => delay.after(500))
    t.strictSame(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000])
    t.equal(delay.after(59_999), 10_000)
    t.equal(delay.after(60_000), 100)
    t.equal(delay.after(500), 200)
  },
)

t.test('what bounds the gateway is divided among its workers', async (t) => {
  const config = loadConfig({ file: null, env: {}, flags: { workers: '4' } })
  const route = { name: 'npm', maxConnections: 10, maxQueued: 1 } as (typeof config.routes)[number]
  const worker = workerConfig({ ...config, routes: [route] }, workerCount(config))
  t.equal(worker.options['accessLog.capacityEntries'], 16_384)
  t.equal(worker.options['accessLog.capacityBytes'], 24 * 1024 ** 2)
  t.match(worker.routes, [{ name: 'npm', maxConnections: 2, maxQueued: 1 }])
  t.equal(workerConfig(config, 64).options['accessLog.capacityEntries'], 4096, 'a batch still fits')
  t.equal(workerConfig(config, 64).options['accessLog.capacityBytes'], 4 * 1024 ** 2)
  t.equal(worker.options['metrics.tenantLabels'], 0)
  const labelled = loadConfig({ file: null, env: {}, flags: { 'metrics.tenantLabels': '3' } })
  t.equal(workerConfig(labelled, 2).options['metrics.tenantLabels'], 10_000, 'the primary cuts them')
  t.equal(workerCount(loadConfig({ file: null, env: {}, flags: {} })), availableCores(), '0 is for all cores')
})

t.test('every option acts at once, on new workers, or is one of the primary', async (t) => {
  const ofThePrimary = OPTION_NAMES.filter((name) => !actsOnNewWorkers(name))
  t.match(new Set(ofThePrimary), new Set(['workers', 'listen.port', 'database.url', 'rollUps.intervalMs']))
  t.ok(actsOnNewWorkers('accessLog.flushEntries') && actsOnNewWorkers('proxy.keepAliveTimeoutMs'))
})

/** Workers that accept as they are told, one event loop; `take` is a connection that somebody gets. */
class TestWorker {
  connections: number
  acceptsUpTo = 0

  constructor(connections = 0) {
    this.connections = connections
  }

  take(): void {
    this.connections++
    if (this.connections >= this.acceptsUpTo) this.acceptsUpTo = 0
  }
}

function share(workers: readonly TestWorker[], maxConnections = 16_384): void {
  for (const [worker, upTo] of connectionShares(workers, maxConnections)) worker.acceptsUpTo = upTo
}

t.test('whoever wakes first, no worker gets far ahead, and somebody always accepts', async () => {
  assert(
    property(
      array(integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 12 }),
      array(record({ first: integer({ min: 0, max: 11 }), burst: integer({ min: 1, max: 40 }) }), {
        minLength: 20,
        maxLength: 60,
      }),
      (have, steps) => {
        const workers = have.map((connections) => new TestWorker(connections))
        share(workers)
        for (const { first, burst } of steps) {
          for (let i = 0; i < burst; i++) {
            let accepting = workers.filter(({ acceptsUpTo }) => acceptsUpTo > 0)
            if (accepting.length === 0) {
              share(workers)
              accepting = workers.filter(({ acceptsUpTo }) => acceptsUpTo > 0)
            }
            if (accepting.length === 0 || accepting.length > 8) return false
            const worker = accepting[first % accepting.length]
            const before = worker?.connections ?? 0
            worker?.take()
            const fewest = Math.min(...workers.map(({ connections }) => connections))
            // It takes none at a distance; and those that were ahead at the start take none until the others are there.
            if (before >= fewest + Math.max(8, fewest * 0.1) + 1) return false
          }
          share(workers)
        }
        return true
      },
    ),
  )
})

t.test('one that stopped at its number goes on when there is room for more than one', async (t) => {
  const [a, b] = [new TestWorker(8), new TestWorker(2)]
  share([a, b])
  t.strictSame([a.acceptsUpTo, b.acceptsUpTo], [0, 10])
  b.connections = 4
  share([a, b])
  t.strictSame([a.acceptsUpTo, b.acceptsUpTo], [0, 12], 'four is not more than half of the slack')
  b.connections = 5
  share([a, b])
  t.strictSame([a.acceptsUpTo, b.acceptsUpTo], [13, 13])
})

t.test('the bound of the gateway is kept, and lone workers are given connections', async (t) => {
  const workers = [new TestWorker(), new TestWorker()]
  for (let i = 0; i < 100; i++) {
    share(workers, 11)
    workers.find(({ acceptsUpTo }) => acceptsUpTo > 0)?.take()
  }
  t.strictSame(
    workers.map(({ connections }) => connections),
    [5, 5],
  )
  const lone = new TestWorker(500)
  share([lone])
  t.equal(lone.acceptsUpTo, 550)
  t.equal(connectionShares([], 10).size, 0)
})

t.test('a borrowed socket is let go at the number that was said, and when it is told so', async (t) => {
  const { handle, address } = await bindProxyAddress('localhost', 0)
  const taken: Socket[] = []
  let onTake = (): void => {}
  let stops = 0
  const borrowed = new BorrowedSocket({
    take: (socket) => {
      taken.push(socket)
      onTake()
    },
    open: () => taken.length,
    onStopped: () => stops++,
    onFailed: () => t.fail('it listens'),
  })
  const two = new Promise<void>((resolve) => {
    onTake = () => {
      if (taken.length === 2) resolve()
    }
  })
  void borrowed.accept(9, handle)
  t.ok(borrowed.isAccepting)
  void borrowed.accept(2, null)
  for (let i = 0; i < 2; i++) {
    const client = connect(address.port, address.address)
    t.teardown(() => client.destroy())
    await once(client, 'connect')
  }
  await two
  t.teardown(() => {
    for (const socket of taken) socket.destroy()
  })
  t.strictSame([stops, borrowed.isAccepting, borrowed.taken], [1, false, 2], 'it stopped by itself')
  void borrowed.accept(5, null)
  t.notOk(borrowed.isAccepting, 'and needs the socket to go on')
  const again = await bindProxyAddress('localhost', 0)
  void borrowed.accept(5, again.handle)
  t.ok(borrowed.isAccepting)
  const letGo = borrowed.accept(0, null)
  t.strictSame([stops, borrowed.isAccepting], [1, false], 'who is told to stop need not say so')
  await letGo
})

t.test('a port that is taken is refused with the words of a single process', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  await t.rejects(bindProxyAddress('127.0.0.1', port), {
    code: 'WAYBILL_PROXY_LISTEN',
    message: /port is in use/,
  })
  await t.rejects(bindProxyAddress('192.0.2.1', 0), {
    code: 'WAYBILL_PROXY_LISTEN',
    message: /EADDRNOTAVAIL/,
  })
})
