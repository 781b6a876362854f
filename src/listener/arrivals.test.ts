import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext } from 'node:tls'
import t from 'tap'
import { LOCALHOST } from '../test/certificates.ts'
import type { Origin } from '../proxy/exchange/connection.ts'
import { Arrivals } from './arrivals.ts'

t.test('R18: a handshake that comes after its PROXY header has been read is taken up', async (t) => {
  const server = createServer({ pauseOnConnect: false })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  const begun: Promise<Origin> = new Promise((resolve, reject) => {
    const owner = {
      begin: (_socket: Socket, origin: Origin) => resolve(origin),
      refusePlain: () => reject(new Error('taken for a plain request')),
      trusts: (peer: string) => peer === '127.0.0.1',
      refused: (reason: string) => reject(new Error(reason)),
    }
    const options = { hasProxyProtocol: true, handshakeTimeoutMs: 60_000, maxConnectionsPerSource: 10 }
    const arrivals = new Arrivals(options, owner)
    const context = createSecureContext(LOCALHOST)
    arrivals.names = { contextFor: () => context, expiries: [] }
    arrivals.take(accepted)
  })
  const isRead = once(accepted, 'pause')
  client.write('PROXY TCP4 203.0.113.7 192.0.2.1 51008 443\r\n')
  await isRead
  const secure = connectTls({ socket: client, servername: 'localhost', ca: LOCALHOST.cert })
  await once(secure, 'secureConnect')
  t.strictSame(await begun, { peer: '203.0.113.7', proto: 'https' })
  secure.destroy()
  client.destroy()
  accepted.destroy()
  server.close()
})
