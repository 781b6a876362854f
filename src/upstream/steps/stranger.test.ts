import type { LookupAddress } from 'node:dns'
import t from 'tap'
import { Names } from '../../lib/host/names.ts'
import { testRoute } from '../../test/gateway.ts'
import { addressProblem, strangeAddressProblem } from '../address.ts'
import { upstreamTarget } from '../socket.ts'
import { strangerHeaders } from './stranger-headers.ts'

t.test("a stranger's name that leads to a link-local address is not connected to", async (t) => {
  const answers: Record<string, LookupAddress[]> = {
    'blob.example.test': [{ address: '192.0.2.1', family: 4 }],
    'evil.example.test': [
      { address: '192.0.2.1', family: 4 },
      { address: '::ffff:169.254.169.254', family: 6 },
    ],
  }
  const names = new Names((name, done) => done(null, answers[name] ?? []))
  const route = testRoute(80)
  const look = (name: string, standing: 'upstream' | 'stranger', all: boolean) => {
    const { lookup } = upstreamTarget({ route, origin: `http://${name}`, standing }, names)
    return new Promise<string>((resolve) => {
      lookup(name, { all }, (error, found) => resolve(error?.code ?? JSON.stringify(found)))
    })
  }
  t.equal(await look('blob.example.test', 'stranger', false), '"192.0.2.1"')
  t.match(await look('blob.example.test', 'stranger', true), '192.0.2.1')
  t.equal(await look('evil.example.test', 'stranger', true), 'WAYBILL_UPSTREAM_ADDRESS')
  t.match(await look('evil.example.test', 'upstream', true), '169.254', "the operator's own upstream")
})

t.test("a stranger is not told the upstream's name, and gets no certificate", async (t) => {
  const route = testRoute(80)
  const tls = { ca: null, cert: null, key: null, serverName: 'repo.example.com', minVersion: null }
  const upstream = { ...route.upstream, upstreamHost: 'front.example.com', tls }
  const at = (standing: 'upstream' | 'sibling' | 'stranger') => {
    const target = upstreamTarget({
      route: { ...route, upstream },
      origin: 'https://files.example.com:444',
      standing,
    })
    return [target.host, target.serverName]
  }
  t.same(at('upstream'), ['front.example.com', 'repo.example.com'])
  t.same(at('sibling'), ['files.example.com:444', 'files.example.com'])
  t.same(at('stranger'), ['files.example.com:444', 'files.example.com'])
})

t.test("a stranger's origin is an origin, and not link-local", async (t) => {
  for (const origin of ['https://files.example.com', 'http://127.0.0.1:8080', 'http://[::1]'])
    t.equal(strangeAddressProblem(origin), null, origin)
  for (const origin of [
    'https://169.254.169.254',
    'https://[fe80::1]',
    'ftp://files.example.com',
    'https://u@files.example.com',
    'https://files.example.com/x',
    'x',
  ])
    t.not(strangeAddressProblem(origin), null, origin)
  t.equal(addressProblem('http://repo.example.com', testRoute(80)), null)
})

t.test('fields that are nobody else’s business do not reach a stranger', async (t) => {
  const secrets = [
    'authorization',
    'Proxy-Authorization',
    'Cookie',
    'X-Api-Key',
    'X-Jfrog-Art-Api',
    'npm-otp',
    'x-amz-security-token',
    'x-forwarded-for',
    'forwarded',
    'x-forwarded-prefix',
    'origin',
    'referer',
    'accept-token',
  ]
  t.same(strangerHeaders(secrets.flatMap((name) => [name, 'x'])), [])
  const kept = ['Accept', 'accept-encoding', 'Range', 'If-None-Match', 'content-length', 'x-goog-hash']
  const fields = kept.flatMap((name) => [name, 'x'])
  t.same(strangerHeaders(fields), fields)
})
