import t from 'tap'
import { routeOf } from '../../config/routes.ts'
import { FakeClock } from '../../test/clock.ts'
import { RawUpstream, until } from '../../test/wire.ts'
import { HealthBook } from '../health/health-book.ts'
import { HealthChecks } from './health-checks.ts'

const WELL = 'HTTP/1.1 204 No Content\r\n\r\n'
const ILL = 'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n'

t.test('an address is asked at its path, each time anew, and told of when that changes', async (t) => {
  const upstream = await RawUpstream.start()
  t.teardown(() => upstream.stop())
  const route = routeOf({
    name: 'r',
    kind: 'generic',
    path: '/r/',
    upstream: `http://127.0.0.1:${upstream.port}/base/`,
    upstreamAuth: { bearer: 'secret' },
    healthCheck: {
      path: '/healthz?x=1',
      unhealthyAfter: 2,
      healthyAfter: 1,
      timeoutMs: '1s',
      intervalMs: '5s',
    },
  })
  const states: string[] = []
  const book = new HealthBook(({ state }) => states.push(state))
  book.apply([route])
  const clock = new FakeClock()
  const checks = new HealthChecks(book, clock)
  checks.apply([route])
  t.equal(clock.timers, 0, 'nothing is asked before the start')
  checks.start()
  t.teardown(() => checks.stop())
  const answer = async (text: string): Promise<void> => {
    const { wire, message } = await upstream.request()
    t.equal(message.startLine, 'GET /healthz?x=1 HTTP/1.1')
    t.equal(message.field('authorization'), 'Bearer secret')
    wire.send(text)
    await wire.closed()
    await clock.advance(0)
  }
  await answer(ILL)
  await clock.advance(5500)
  await answer(WELL)
  await clock.advance(5500)
  await answer(ILL)
  t.same(states, [], 'not twice in a row')
  await clock.advance(5500)
  const silent = await upstream.request()
  await clock.advance(1000)
  await silent.wire.closed()
  t.same(states, ['unhealthy'], 'no answer in time is a bad one')
  await clock.advance(5500)
  await answer(WELL)
  await until(() => states.length === 2, 'it to serve again')
  t.same(states, ['unhealthy', 'serving'])
  checks.stop()
  t.equal(clock.timers, 0)
})
