import t from 'tap'
import { loadConfig } from '../config/config.ts'
import { createLogger } from '../logger/logger.ts'
import { FakeClock } from '../test/clock.ts'
import { Lifecycle, START_ORDER, STOP_ORDER, type Service } from './lifecycle.ts'

const GRACE_MS = 30_000
const STOPS = STOP_ORDER.map(({ name }) => name)

type Step = (ms: number) => unknown

interface Life {
  readonly life: Lifecycle
  readonly clock: FakeClock
  /** Steps that were called, in order, and the milliseconds that each was told. */
  readonly called: string[]
  readonly told: Map<string, number>
  readonly log: Record<string, unknown>[]
}

/** A life that has every phase; `steps` replaces what some of them do. */
function testLife(steps: Readonly<Record<string, Step>> = {}, graceMs = GRACE_MS): Life {
  const called: string[] = []
  const told = new Map<string, number>()
  const log: Record<string, unknown>[] = []
  const starts = Object.fromEntries(START_ORDER.map(({ name }) => [name, () => called.push(name)]))
  const stops = Object.fromEntries(
    STOPS.map((name) => [
      name,
      (ms: number) => {
        called.push(name)
        told.set(name, ms)
        return steps[name]?.(ms)
      },
    ]),
  )
  const clock = new FakeClock()
  const { options } = loadConfig({ file: null, env: {}, flags: {} })
  const life = new Lifecycle({
    services: [{ starts, stops }],
    options: { ...options, 'shutdown.graceMs': graceMs },
    logger: createLogger({
      level: 'info',
      destination: { write: (line: string) => void log.push(JSON.parse(line)) },
    }),
    clock,
  })
  return { life, clock, called, told, log }
}

const never = (): Promise<void> => new Promise(() => {})

t.test('a process starts in one order', async (t) => {
  const { life, called } = testLife()
  t.equal(life.state, 'starting')
  await life.start(() => {})
  t.strictSame(called, [
    'database',
    'directory',
    'access log',
    'deaths',
    'upkeep',
    'admin listener',
    'snapshot',
    'workers',
    'proxy listener',
  ])
  t.equal(life.state, 'ready')
})

t.test('a start ends with the first step that fails, and the process is not ready', async (t) => {
  const { life, called } = testLife()
  const failing = new Lifecycle({
    services: [
      { starts: { 'admin listener': () => Promise.reject(new Error('port is in use')) }, stops: {} },
      { starts: { snapshot: () => called.push('snapshot') }, stops: {} },
    ],
    options: loadConfig({ file: null, env: {}, flags: {} }).options,
    logger: createLogger({ level: 'silent' }),
  })
  await t.rejects(
    failing.start(() => {}),
    { message: 'port is in use' },
  )
  t.strictSame([failing.state, life.state, called], ['starting', 'starting', []])
})

t.test('a process stops in one order: requests, then the log, the admin listener late', async (t) => {
  const { life, called, told, log } = testLife()
  const stopping = life.stop()
  t.equal(life.state, 'draining')
  t.equal(await stopping, true)
  t.strictSame(called, [
    'audit',
    'accepting',
    'proxy listener',
    'requests',
    'deliveries',
    'access log',
    'workers',
    'upstream connections',
    'directory',
    'deaths',
    'upkeep',
    'admin listener',
    'database handles',
    'database',
  ])
  t.equal(life.state, 'stopped')
  t.strictSame([told.get('accepting'), told.get('requests'), told.get('access log')], [0, 20_000, 8000])
  t.strictSame(
    log.map(({ msg, phase }) => [msg, phase]),
    STOPS.map((phase) => ['stopped', phase]),
  )
})

t.test('a process stops what it has, all of a phase at the same time', async (t) => {
  const called: string[] = []
  const services: Service[] = [
    { starts: {}, stops: { 'database handles': () => called.push('handles'), deaths: () => never() } },
    { starts: {}, stops: { deaths: () => called.push('deaths') } },
  ]
  const clock = new FakeClock()
  const { options } = loadConfig({ file: null, env: {}, flags: {} })
  const logger = createLogger({ level: 'silent' })
  const stopped = new Lifecycle({ services, options, logger, clock }).stop()
  await clock.advance(GRACE_MS)
  t.equal(await stopped, false)
  t.strictSame(called, ['deaths', 'handles'])
})

for (const row of STOP_ORDER) {
  t.test(
    `${row.name}: has a limit; one that hangs or throws does not keep the next from running`,
    async (t) => {
      const hanging = testLife({ [row.name]: never })
      const stopped = hanging.life.stop()
      await hanging.clock.advance(GRACE_MS)
      t.equal(await stopped, false)
      t.strictSame(hanging.called, STOPS)
      const failed = hanging.log.filter(({ level }) => level === 'error')
      t.match(failed, [
        { phase: row.name, msg: 'stop failed', does: row.does, err: { code: 'phase_overdue' } },
      ])
      t.equal(failed.length, 1, 'and none but this one')

      const throwing = testLife({
        [row.name]: () => {
          throw new Error('broken')
        },
      })
      t.equal(await throwing.life.stop(), false)
      t.strictSame(throwing.called, STOPS)
      t.match(
        throwing.log.filter(({ level }) => level === 'error'),
        [{ phase: row.name, err: { message: 'broken' } }],
      )

      const unclean = testLife({ [row.name]: () => Promise.resolve(false) })
      t.equal(await unclean.life.stop(), false, 'one that resolves false was not clean')
      t.notOk(unclean.log.some(({ level }) => level === 'error'))
    },
  )
}

t.test('each limit is that of the phase, and of what is left of the grace', async (t) => {
  const { life, clock, log } = testLife({ requests: never, directory: never, database: never }, 25_000)
  const stopped = life.stop()
  await clock.advance(25_000)
  t.equal(await stopped, false)
  const limits = new Map(log.map(({ phase, ms }) => [phase, ms]))
  t.equal(limits.get('requests'), 21_000, 'its drain, and a second to break off what is left')
  t.equal(limits.get('directory'), 3000)
  t.equal(limits.get('database'), 750, 'the rest but for the end of the process')
})

for (const graceMs of [0, 1000, GRACE_MS]) {
  t.test(`with all phases hanging the process still ends within a grace of ${graceMs} ms`, async (t) => {
    const { life, clock, called, told } = testLife(
      Object.fromEntries(STOPS.map((name) => [name, never])),
      graceMs,
    )
    const stopped = life.stop()
    await clock.advance(Math.max(graceMs, 250))
    t.equal(await stopped, false)
    t.strictSame(called, STOPS, 'each was begun')
    t.ok([...told.values()].every((ms) => ms >= 0 && ms <= graceMs))
  })
}

t.test('when the drain has taken its time the log leaves the disk two seconds of the grace', async (t) => {
  const { life, clock, told } = testLife({ requests: never })
  const stopped = life.stop()
  await clock.advance(GRACE_MS)
  await stopped
  t.equal(told.get('access log'), GRACE_MS - 500 - 21_000 - 2000)
})

t.test('a second stop returns the same promise', async (t) => {
  const { life, called } = testLife()
  const first = life.stop()
  t.equal(life.stop(), first)
  t.equal(await first, true)
  t.equal(life.stop(), first)
  t.strictSame(called, STOPS, 'and each phase ran once')
})

t.test('a stop during the start ends it, and the process does not become ready again', async (t) => {
  let goOn = (): void => {}
  const waiting = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const called: string[] = []
  const life = new Lifecycle({
    services: [
      { starts: { snapshot: () => waiting, 'proxy listener': () => called.push('listen') }, stops: {} },
    ],
    options: loadConfig({ file: null, env: {}, flags: {} }).options,
    logger: createLogger({ level: 'silent' }),
  })
  const started = life.start(() => {})
  t.equal(await life.stop(), true)
  goOn()
  await started
  t.strictSame([life.state, called], ['stopped', []])
})

t.test('a process that drains is not ready, and a stop is still owed', async (t) => {
  const { life, called } = testLife()
  await life.start(() => {})
  life.drain()
  t.equal(life.state, 'draining')
  called.length = 0
  await life.stop()
  t.strictSame(called, STOPS)
})
