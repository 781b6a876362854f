import t from 'tap'
import { startGateway } from '../../test/gateway.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

for (const hasPlainPath of [true, false]) {
  const path = hasPlainPath ? 'plain' : "by Node's server"

  t.test(`R27: OPTIONS that may go no further are answered, others count down, ${path}`, async (t) => {
    const gateway = await startGateway(t, { listener: { hasPlainPath } })
    const client = await gateway.client()
    for (const value of ['0', '00']) {
      client.send(gateway.head('OPTIONS /r/x HTTP/1.1', `Max-Forwards: ${value}`))
      const answer = await client.message()
      t.equal(answer.status, 204)
      t.match(answer.field('allow'), 'OPTIONS')
    }
    for (const [method, value, forwarded] of [
      ['OPTIONS', '1', '0'],
      ['OPTIONS', '70', '69'],
      ['OPTIONS', '9'.repeat(30), '65535'],
      ['OPTIONS', 'many', 'many'],
      ['GET', '0', '0'],
    ] as const) {
      client.send(gateway.head(`${method} /r/x HTTP/1.1`, `Max-Forwards: ${value}`))
      const { wire, message } = await gateway.upstream.request()
      t.equal(message.field('max-forwards'), forwarded, value)
      wire.send(OK)
      t.equal((await client.message()).status, 200)
    }
    client.send(gateway.head('TRACE /r/x HTTP/1.1', 'Max-Forwards: 0'))
    t.equal((await client.message()).status, 405)
    const stranger = await gateway.client()
    stranger.send('OPTIONS /r/x HTTP/1.1\r\nHost: gw\r\nMax-Forwards: 0\r\n\r\n')
    t.equal((await stranger.message()).status, 401, 'not without a key')
    const answered = { outcome: 'answered', status: 204 } as const
    const forwarded = { outcome: 'forwarded' } as const
    const rest = [forwarded, forwarded, forwarded, forwarded, forwarded, { status: 405 }, { status: 401 }]
    await gateway.finish(t, [answered, answered, ...rest])
  })

  t.test(`R27: the probe path tells without a key whether the gateway is ready, ${path}`, async (t) => {
    const gateway = await startGateway(t, { listener: { hasPlainPath } })
    const client = await gateway.client()
    const probe = async (line: string): Promise<number> => {
      client.send(`${line} HTTP/1.1\r\nHost: gw\r\n\r\n`)
      return (await client.message({ isHead: line.startsWith('HEAD') })).status
    }
    t.equal(await probe('GET /-/ready'), 404, 'off unless it is named')
    gateway.apply({ probePath: '/-/ready' })
    t.equal(await probe('GET /-/ready'), 204)
    t.equal(await probe('HEAD /-/ready?x'), 204)
    t.equal(await probe('DELETE /-/ready'), 405)
    t.equal(await probe('GET /-/ready/'), 404)
    gateway.isReady = false
    t.equal(await probe('GET /-/ready'), 503)
    await gateway.finish(
      t,
      [404, 204, 204, 405, 404, 503].map((status) => ({ status })),
    )
  })
}
