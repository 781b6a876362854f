import t from 'tap'
import { localAddress } from './redirects.ts'
import { startGateway } from './test-gateway.ts'

const AT = { origin: 'http://127.0.0.1:19444', base: '/', prefix: '/files/', asked: '/builds' }
const DEEP = {
  origin: 'https://repo.example.com',
  base: '/repository/npm/',
  prefix: '/npm/',
  asked: '/repository/npm/x',
}

void t.test('G2: redirects of the upstream to itself come back through the route', async (t) => {
  for (const [address, local] of [
    ['/builds/', '/files/builds/'],
    ['/builds/?a=1#f', '/files/builds/?a=1#f'],
    ['http://127.0.0.1:19444/other', '/files/other'],
    ['HTTP://127.0.0.1:19444/other', '/files/other'],
    ['http://127.0.0.1:19444', '/files/'],
    ['http://127.0.0.1:19444?x', '/files/?x'],
    ['//127.0.0.1:19444/x', '/files/x'],
    ['/', '/files/'],
  ] as const)
    t.equal(localAddress(address, AT), local, address)
  for (const [address, local] of [
    ['/repository/npm/y', '/npm/y'],
    ['/repository/npm', '/npm'],
    ['/repository/npm?x', '/npm?x'],
    ['https://repo.example.com/repository/npm/y', '/npm/y'],
    ['https://repo.example.com:443/repository/npm/y', '/npm/y'],
  ] as const)
    t.equal(localAddress(address, DEEP), local, address)
  t.equal(localAddress('/files/x', { ...AT, asked: '/x' }), '/files/x', 'an upstream that knows the prefix')
  t.equal(localAddress('/files/', { ...AT, asked: '/files' }), '/files/files/', 'a folder of that name')
})

void t.test('G2: all other addresses are left alone', async (t) => {
  for (const address of [
    'https://127.0.0.1:19444/x',
    'http://127.0.0.1/x',
    'http://127.0.0.1:194440/x',
    'http://u@127.0.0.1:19444/x',
    'http://127.0.0.1:19444.evil.example/x',
    'https://elsewhere.example/x',
    '//elsewhere.example/x',
    'builds/',
    '?page=2',
    '/../x',
    '/a/./b',
    'http://127.0.0.1:19444//evil.example/',
    'mailto:a@b',
    '',
  ])
    t.equal(localAddress(address, AT), address, address)
  for (const address of ['/login', '/repository/npmx', 'https://repo.example.com/login'])
    t.equal(localAddress(address, DEEP), address, address)
})

void t.test('G2: a client stays with the gateway', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  const redirected = async (...fields: string[]) => {
    client.send(gateway.head('GET /r/builds HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    wire.send(`HTTP/1.1 301 Moved Permanently\r\nContent-Length: 0\r\n${fields.join('\r\n')}\r\n\r\n`)
    return client.message()
  }
  t.equal((await redirected('Location: /builds/')).field('location'), '/r/builds/')
  const own = `http://127.0.0.1:${gateway.upstream.port}/other`
  const both = await redirected(`Location: ${own}`, `Content-Location: ${own}`)
  t.equal(both.field('location'), '/r/other')
  t.equal(both.field('content-location'), '/r/other')
  t.equal((await redirected('Location: https://cdn.example/x')).field('location'), 'https://cdn.example/x')
  await gateway.finish(t, [{ status: 301 }, { status: 301 }, { status: 301 }])
})
