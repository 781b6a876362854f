import t from 'tap'
import { asksForFiles, filesPathOf, filesPlaceOf, type FilesHost } from './files-host.ts'

const HOSTS: FilesHost[] = [
  { origin: 'https://files.example.com', host: 'files.example.com', path: '/packages/', auth: false },
  { origin: 'https://files.example.com', host: 'files.example.com', path: '/packages/in/', auth: true },
  { origin: 'http://cdn.example.com:8080', host: 'cdn.example.com:8080', path: '/', auth: false },
]

t.test('a path below ~/ leads to the listed host, by the longest part of it', async (t) => {
  const [packages, inner, cdn] = HOSTS
  for (const [path, host, at] of [
    ['/r/~/files.example.com/packages/a.whl', packages, '/packages/a.whl'],
    ['/r/~/FILES.example.com/packages/', packages, '/packages/'],
    ['/r/~/files.example.com/packages/in/b', inner, '/packages/in/b'],
    ['/r/~/cdn.example.com:8080', cdn, '/'],
    ['/r/~/cdn.example.com:8080/x', cdn, '/x'],
    ['/r/%7E/cdn.example.com%3A8080/x', cdn, '/x'],
  ] as const)
    t.same(filesPlaceOf(HOSTS, '/r/', path), { host, path: at }, path)
  for (const path of [
    '/r/~/',
    '/r/~/files.example.com',
    '/r/~/files.example.com/packages',
    '/r/~/files.example.com/other',
    '/r/~/files.example.com:443/packages/a',
    '/r/~/files.example.com./packages/a',
    '/r/~/cdn.example.com/x',
    '/r/~/169.254.169.254/x',
  ])
    t.equal(filesPlaceOf(HOSTS, '/r/', path), null, path)
  t.equal(asksForFiles('/r/', '/r/~/x'), true)
  t.equal(asksForFiles('/r/', '/r/%7e/x'), true)
  t.equal(asksForFiles('/r/', '/r/~x'), false)
  t.equal(asksForFiles('/r/', '/r/a/~/x'), false)
  t.equal(asksForFiles('/r/', '/r'), false)
})

t.test('an address on a listed host has a path at the gateway, and only such a one', async (t) => {
  for (const [address, path] of [
    ['https://files.example.com/packages/a.whl#sha256=1', '/r/~/files.example.com/packages/a.whl#sha256=1'],
    ['https://files.example.com:443/packages/a?b=c', '/r/~/files.example.com/packages/a?b=c'],
    ['http://cdn.example.com:8080/x', '/r/~/cdn.example.com:8080/x'],
    ['http://files.example.com/packages/a', null],
    ['https://files.example.com/other', null],
    ['https://files.example.com/packages/../other', null],
    ['https://u@files.example.com/packages/a', null],
    ['http://cdn.example.com/x', null],
  ] as const)
    t.equal(filesPathOf(HOSTS, '/r/', new URL(address)), path, address)
})
