import t from 'tap'
import { FakeClock, settle } from '../../test/clock.ts'
import { Periodic, type PeriodicParts, tellFailures } from './periodic.ts'

/** A job whose runs end when the test says so, and what became of them; by default it rests 1 s in between. */
function rigOf(parts: Partial<PeriodicParts> = {}) {
  const clock = new FakeClock()
  const startMs = clock.nowMs()
  const begun: number[] = []
  const ends: ((result?: number | Error) => void)[] = []
  const told: string[] = []
  const log = {
    warn: (fields: object, line: string) => void told.push(`${line} ${String(Object.values(fields)[0])}`),
    info: (fields: object, line: string) => void told.push(`${line} ${String(Object.values(fields)[0])}`),
  }
  const run = (): Promise<number | void> => {
    begun.push(clock.nowMs() - startMs)
    return new Promise((resolve, reject) =>
      ends.push((result) => (result instanceof Error ? reject(result) : resolve(result))),
    )
  }
  const periodic = new Periodic({
    run,
    intervalMs: 1000,
    pace: 'rest',
    clock,
    ...tellFailures(log, { failed: 'failed', well: 'well' }),
    ...parts,
  })
  /** Ends the run under way, and lets that have its effect. */
  const end = async (result?: number | Error): Promise<void> => {
    ends.shift()?.(result)
    await settle()
  }
  return { clock, begun, told, periodic, end }
}

t.test('a job that hangs has nothing queued behind it, however often it is asked for', async (t) => {
  const { periodic, begun, end } = rigOf()
  for (let i = 0; i < 1000; i++) periodic.kick()
  await settle()
  t.equal(begun.length, 1, 'never twice at a time')
  await end()
  t.equal(begun.length, 2, 'once more for all who asked meanwhile')
  await end()
  t.equal(begun.length, 2)
  periodic.kick()
  t.equal(begun.length, 3, 'and again when it is asked for')
})

t.test('with rests, the interval begins when a run ends', async (t) => {
  const { periodic, clock, begun, end } = rigOf()
  periodic.start()
  periodic.start()
  await clock.advance(999)
  t.same(begun, [])
  await clock.advance(5001)
  t.same(begun, [1000])
  await end()
  await clock.advance(1000)
  t.same(begun, [1000, 7000])
  await end(0)
  await clock.advance(0)
  t.same(begun, [1000, 7000, 7000], 'it says itself that there is more to do')
  await end()
  await clock.advance(500)
  periodic.kick()
  await end()
  await clock.advance(1000)
  t.same(begun.slice(3), [7500, 8500], 'a kick is followed by a whole rest')
})

t.test('with beats, what falls into a run is passed over, and told of', async (t) => {
  let beats = 0
  const { periodic, clock, begun, end } = rigOf({ pace: 'beat', onBeat: () => void beats++ })
  periodic.start(0)
  t.same([begun, beats], [[0], 0])
  await clock.advance(3500)
  t.same([begun, beats], [[0], 3])
  await end()
  periodic.kick()
  await end()
  await clock.advance(500)
  t.same(begun, [0, 3500, 4000], 'a kick does not shift them')
})

t.test('a job that fails waits longer and longer; its log has two lines', async (t) => {
  const backoff = { minMs: 100, maxMs: 400 }
  const { periodic, clock, begun, told, end } = rigOf({ backoff, random: () => 1, jitter: 0.1 })
  periodic.start()
  await clock.advance(1100)
  t.same(begun, [1100], 'the jitter')
  for (const waitMs of [100, 200, 400, 400]) {
    await end(new Error('no'))
    await clock.advance(waitMs - 1)
    const { length } = begun
    await clock.advance(1)
    t.equal(begun.length, length + 1)
  }
  await end()
  t.same(told, ['failed Error: no', 'well 4'])
  await clock.advance(1100)
  await end(new Error('again'))
  t.equal(told.length, 3)
})

t.test('a run can be waited for: one that begins after the call', async (t) => {
  const { periodic, begun, end } = rigOf()
  const first = periodic.now()
  t.equal(begun.length, 1)
  const second = periodic.now()
  await end()
  await first
  t.equal(begun.length, 2)
  const failed = t.rejects(second, { message: 'no' })
  await end(new Error('no'))
  await failed
})

t.test('what failed before the start is tried again after the back-off', async (t) => {
  const { periodic, clock, begun, end } = rigOf({
    backoff: { minMs: 100, maxMs: 400 },
    random: () => 1,
  })
  const failed = t.rejects(periodic.now(), { message: 'no' })
  await end(new Error('no'))
  await failed
  await clock.advance(5000)
  t.equal(begun.length, 1, 'not before it is started')
  periodic.start()
  await clock.advance(100)
  t.equal(begun.length, 2)
})

t.test('a stop waits for what was asked for, and not for ever; nothing follows', async (t) => {
  for (const pace of ['rest', 'beat'] as const) {
    const { periodic, clock, begun, told, end } = rigOf({ pace })
    periodic.start(0)
    periodic.kick()
    const late = periodic.stop(100)
    await clock.advance(100)
    t.equal(await late, false)
    const stopped = periodic.stop(60_000)
    periodic.kick()
    await end()
    t.equal(begun.length, 2)
    await end(new Error('because it was stopped'))
    t.equal(await stopped, true)
    t.same(told, [])
    periodic.kick()
    periodic.start(0)
    await clock.advance(10_000)
    t.equal(begun.length, 2)
    t.equal(clock.timers, 0)
  }
})
