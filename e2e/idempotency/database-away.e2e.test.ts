import t from 'tap'
import { startForwarder, type Forwarder } from '../harness/failure-forwarder.ts'
import { untilTrue } from '../harness/wait.ts'
import { scene } from './scene.ts'

for (const how of ['cut off', 'frozen'] as const) {
  t.test(`with the database ${how}, keys are refused or not heeded, as the route says`, async (t) => {
    let forwarder: Forwarder | null = null
    const { script, pay, gateway } = await scene(t, {}, async (db) => {
      forwarder = await startForwarder(t, db)
      await forwarder.open()
      return forwarder.url
    })
    const there = forwarder as Forwarder | null
    if (there === null) throw new Error('there is a forwarder')
    t.equal((await pay('before')).status, 201)
    let open = (): void => {}
    script.gate = new Promise((resolve) => (open = resolve))
    const under = pay('under-way')
    await untilTrue('it is there', () => script.paid.length === 2)
    if (how === 'cut off') await there.close()
    else there.mode = 'swallow'
    const refused = await pay('during')
    t.equal(refused.status, 503)
    t.ok(refused.headers['retry-after'])
    t.match(refused.body.toString(), /cannot be told now/)
    t.equal((await pay('before')).status, 503, 'what is kept is not there either')
    open()
    t.equal((await under).status, 201, 'who is the first gets its answer all the same')
    for (const _ of [1, 2]) t.equal((await pay('k', '', { path: '/loose/pay' })).status, 201)
    t.equal(script.paid.length, 4, 'and twice where the route says so')
    t.equal((await pay(null)).status, 201, 'requests without a key do not notice')
    if (how === 'cut off') await there.open()
    else there.mode = 'forward'
    await untilTrue('keys are heeded again', async () => (await pay('during')).status === 201)
    t.equal((await pay('before')).headers['idempotent-replayed'], 'true')
    const metrics = await gateway.metrics()
    t.ok(metrics.sum('waybill_idempotency_requests_total', { result: 'unknown' }) >= 4)
  })
}
