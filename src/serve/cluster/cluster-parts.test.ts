import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { loadConfig } from '../../config.ts'
import { OPTION_NAMES } from '../../config/options.ts'
import { Acceptor, type Taker } from './acceptor.ts'
import { availableCores } from './cores.ts'
import { RestartDelay } from './restart-delay.ts'
import { actsOnNewWorkers, workerConfig, workerCount } from './worker-config.ts'

void t.test(
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

void t.test('the cores are those of the affinity, or of the quota of a container', async (t) => {
  const files = (entries: Record<string, string>) => (file: string) => entries[file] ?? null
  const v2 = '/sys/fs/cgroup/cpu.max'
  const v1 = '/sys/fs/cgroup/cpu/'
  const cases: readonly [number, Record<string, string>, number][] = [
    [8, {}, 8],
    [8, { [v2]: 'max 100000' }, 8],
    [8, { [v2]: '200000 100000' }, 2],
    [8, { [v2]: '250000 100000' }, 2],
    [8, { [v2]: '50000 100000' }, 1],
    [2, { [v2]: '800000 100000' }, 2],
    [8, { [v2]: 'nonsense' }, 8],
    [8, { [`${v1}cpu.cfs_quota_us`]: '-1', [`${v1}cpu.cfs_period_us`]: '100000' }, 8],
    [8, { [`${v1}cpu.cfs_quota_us`]: '300000', [`${v1}cpu.cfs_period_us`]: '100000' }, 3],
    [0, {}, 1],
  ]
  for (const [parallelism, entries, cores] of cases) {
    t.equal(availableCores(parallelism, files(entries)), cores, JSON.stringify(entries))
  }
  t.ok(availableCores() >= 1, 'and those of this machine can be told')
})

void t.test('what bounds the gateway is divided among its workers', async (t) => {
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

void t.test('every option acts at once, on new workers, or is one of the primary', async (t) => {
  const ofThePrimary = OPTION_NAMES.filter((name) => !actsOnNewWorkers(name))
  t.match(new Set(ofThePrimary), new Set(['workers', 'listen.port', 'database.url', 'rollUps.intervalMs']))
  t.ok(actsOnNewWorkers('accessLog.flushEntries') && actsOnNewWorkers('proxy.keepAliveTimeoutMs'))
})

/** Takes connections until it is full, and holds them. */
class TestTaker implements Taker {
  readonly taken: Socket[] = []
  isReady = true
  room = Infinity
  onTake: () => void = () => {}
  readonly base: number

  constructor(base = 0) {
    this.base = base
  }

  get connections(): number {
    return this.base + this.taken.length
  }

  get canTake(): boolean {
    return this.taken.length < this.room
  }

  hand(socket: Socket): void {
    this.taken.push(socket)
    this.onTake()
  }
}

/** An acceptor with clients that connect one after the other, each seen by the acceptor before the next. */
async function acceptor(t: Test, takers: TestTaker[], maxConnections = 1000) {
  const listener = new Acceptor({ takers: () => takers, maxConnections })
  const { port } = await listener.start('127.0.0.1', 0)
  t.teardown(() => {
    listener.stop()
    for (const { taken } of takers) for (const socket of taken) socket.destroy()
  })
  const dial = async (): Promise<Socket> => {
    const client = connect(port, '127.0.0.1').on('error', () => {})
    t.teardown(() => client.destroy())
    await once(client, 'connect')
    return client
  }
  return { listener, dial, port }
}

/** Resolves at the n-th connection that any of them takes. */
function takenBy(takers: readonly TestTaker[], count: number): Promise<void> {
  return new Promise((resolve) => {
    for (const taker of takers) {
      taker.onTake = () => {
        if (takers.reduce((sum, { taken }) => sum + taken.length, 0) === count) resolve()
      }
    }
  })
}

void t.test('connections go to whoever has the fewest', async (t) => {
  const takers = [new TestTaker(), new TestTaker(), new TestTaker(6)]
  const { dial } = await acceptor(t, takers)
  const all = takenBy(takers, 12)
  for (let i = 0; i < 12; i++) await dial()
  await all
  t.strictSame(
    takers.map(({ connections }) => connections),
    [6, 6, 6],
  )
})

void t.test('connections go to those that are ready, as long as there are any', async (t) => {
  const takers = [new TestTaker(), new TestTaker()]
  const [first, second] = takers
  if (first === undefined || second === undefined) throw new Error('two')
  first.isReady = false
  const { dial } = await acceptor(t, takers)
  let all = takenBy(takers, 4)
  for (let i = 0; i < 4; i++) await dial()
  await all
  t.equal(second.taken.length, 4)
  second.isReady = false
  all = takenBy(takers, 6)
  for (let i = 0; i < 2; i++) await dial()
  await all
  t.equal(first.taken.length, 2, 'with none ready, they are asked all the same')
})

void t.test(
  'connections that nobody can take wait, in order, also those of a worker that died',
  async (t) => {
    const taker = new TestTaker()
    taker.room = 1
    const { dial, listener } = await acceptor(t, [taker])
    const first = takenBy([taker], 1)
    const clients = [await dial(), await dial(), await dial()]
    await first
    while (listener.waiting < 2) await new Promise((resolve) => void setImmediate(resolve))
    const ports = (): unknown[] => taker.taken.map(({ remotePort }) => remotePort)
    t.strictSame(ports(), [clients[0]?.localPort])
    listener.takeBack(taker.taken.splice(0))
    t.strictSame(ports(), [clients[0]?.localPort], 'what was taken back comes first')
    taker.room = 3
    listener.pump()
    t.strictSame(
      ports(),
      clients.map(({ localPort }) => localPort),
    )
  },
)

void t.test('connections beyond the bound of the gateway are refused', async (t) => {
  const takers = [new TestTaker(2), new TestTaker(1)]
  const { dial } = await acceptor(t, takers, 5)
  const two = takenBy(takers, 2)
  await dial()
  await dial()
  await two
  await once((await dial()).resume(), 'close')
  t.equal(
    takers.reduce((sum, { taken }) => sum + taken.length, 0),
    2,
  )
})

void t.test('a port that is taken is refused with the words of a single process', async (t) => {
  const { port } = await acceptor(t, [new TestTaker()])
  const second = new Acceptor({ takers: () => [], maxConnections: 1 })
  await t.rejects(second.start('127.0.0.1', port), {
    code: 'WAYBILL_PROXY_LISTEN',
    message: /port is in use/,
  })
  second.stop()
})
