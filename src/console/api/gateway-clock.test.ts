import t from 'tap'
import { gatewayNow, noteGatewayTime } from './gateway-clock.ts'

/** The gateway's clock minus this one, within what the test itself takes. */
function aheadMs(): number {
  return gatewayNow().getTime() - Date.now()
}

t.test('now is by the clock of the gateway, whatever the own one says', async (t) => {
  t.ok(Math.abs(aheadMs()) < 500)
  const hour = 3_600_000
  const atMs = 1_900_000_000_000
  noteGatewayTime(new Date(atMs).toUTCString(), atMs - hour, atMs - hour + 40)
  t.ok(Math.abs(aheadMs() - hour) < 1500, 'an hour behind')
  const before = aheadMs()
  noteGatewayTime(new Date(atMs + 5000).toUTCString(), atMs - hour, atMs - hour + 30_000)
  t.ok(Math.abs(aheadMs() - before) < 500, 'an answer that took long agrees with it')
  noteGatewayTime(null, 0, 0)
  noteGatewayTime('no date', 0, 0)
  t.ok(Math.abs(aheadMs() - before) < 500, 'no date says nothing')
  noteGatewayTime(new Date(atMs).toUTCString(), atMs, atMs + 40)
  t.ok(Math.abs(aheadMs()) < 1500, 'the clock was put right')
})
