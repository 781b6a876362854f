import t from 'tap'
import { FakeClock, settle } from '../../test/clock.ts'
import { endsWithin, within } from './within.ts'

/** A call that ends when the test says so. */
function callOf<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const call = new Promise<T>((...ends) => ([resolve, reject] = ends))
  return { call, resolve, reject }
}

t.test('what ends in time is what it is, and leaves no timer', async (t) => {
  const clock = new FakeClock()
  const bounds = { what: 'the disk', ms: 100, clock }
  t.equal(await within(Promise.resolve(1), bounds), 1)
  await t.rejects(within(Promise.reject(new Error('no')), bounds), { message: 'no' })
  t.equal(await endsWithin(Promise.resolve(), 100, clock), true)
  await t.rejects(endsWithin(Promise.reject(new Error('no')), 100, clock), { message: 'no' })
  t.equal(clock.timers, 0)
})

t.test('what is late is named, and ignored when it comes', async (t) => {
  const clock = new FakeClock()
  const { call, reject } = callOf<number>()
  const waits = [
    t.rejects(within(call, { what: 'the disk', ms: 100, clock }), {
      code: 'ETIMEDOUT',
      message: 'the disk: no answer within 100 ms',
    }),
    within(call, { late: () => 'late', ms: 100, clock }),
    t.rejects(
      within(call, {
        late: () => {
          throw new Error('too late')
        },
        ms: 100,
        clock,
      }),
      { message: 'too late' },
    ),
    endsWithin(call, 100, clock),
  ]
  await clock.advance(99)
  t.equal(clock.timers, 4)
  await clock.advance(1)
  t.match(await Promise.all(waits), [Object, 'late', Object, false])
  t.equal(clock.timers, 0)
  reject(new Error('nobody hears this'))
  await settle()
})

t.test('a signal ends the wait with its reason, also one that has aborted before', async (t) => {
  const clock = new FakeClock()
  const { call, resolve } = callOf<number>()
  const controller = new AbortController()
  const { signal } = controller
  const bounds = { what: 'the disk', ms: 100, clock, signal }
  const waits = [within(call, bounds), within(Promise.resolve(1), bounds)]
  await settle()
  controller.abort(new Error('gone'))
  await t.rejects(Promise.all(waits), { message: 'gone' })
  t.equal(await waits[1], 1, 'what has ended before does not hear of it')
  await t.rejects(within(call, bounds), { message: 'gone' })
  t.equal(clock.timers, 0)
  resolve(1)
})
