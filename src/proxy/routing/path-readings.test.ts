import { array, assert, constantFrom, property, tuple } from 'fast-check'
import t from 'tap'
import { DEFAULT_RULES } from '../../model/route-rules.ts'
import { isSpecialPath, readingsOf } from './path-readings.ts'
import { RouteTable } from './route-table.ts'
import { startGateway, testRoute } from '../../test/gateway.ts'

const VERBATIM = { ...DEFAULT_RULES, paths: 'verbatim' } as const
const nested = new RouteTable([
  testRoute(1, { name: 'pub', path: '/pub/' }),
  testRoute(1, { name: 'private', path: '/pub/private/' }),
  testRoute(1, { name: 'npm', path: '/npm/', kind: 'npm' }),
  testRoute(1, { name: 'api', path: '/api/', rules: VERBATIM }),
])

/** As the decision takes it. */
function routed(path: string, table = nested): string {
  if (!isSpecialPath(path)) return table.match('gw', path)?.name ?? 'none'
  const found = table.matchSpecial('gw', path)
  return found === 'ambiguous' || found === null ? (found ?? 'none') : found.route.name
}

t.test('E1: no spelling of a narrower path leads to the wider route', async (t) => {
  for (const path of [
    '/pub/./private/secret.txt',
    '/pub/%70rivate/secret.txt',
    '/pub/%50rivate%2fx/../private/s',
    '/pub/private%2fsecret.txt',
    '/pub/private%2Fsecret.txt',
    '/pub/private%5csecret.txt',
    '/pub/private\\secret.txt',
    '/pub/private;x/secret.txt',
    '/pub/private;jsessionid=1/secret.txt',
    '/pub/private%3bx/secret.txt',
    '/pub/private%3Bx/secret.txt',
    '/pub;x/private/secret.txt',
    '/pub/;x/private/secret.txt',
    '/pub/%2e/private/secret.txt',
    '/pub/.;/private/secret.txt',
    '/pub/x/../private/secret.txt',
    '/pub//private/secret.txt',
    '/pub/private./secret.txt',
    '/pub/private../secret.txt',
    '/pub/private%20/secret.txt',
    '/pub/private%2e/secret.txt',
    '/pub/private%09/secret.txt',
    '/pub/%2570rivate/secret.txt',
    '/pub/private%252fsecret.txt',
    '/pub/private%25252fsecret.txt',
    '/pub/%25252570rivate/secret.txt',
    '/pub/private%c0%afsecret.txt',
    '/pub/private%e0%80%afsecret.txt',
    '/pub/private%ef%bc%8fsecret.txt',
    '/pub/%ef%bd%90rivate/secret.txt',
    '/pub/x/%c0%ae%c0%ae/private/secret.txt',
    '/pub/x/%252e%252e/private/secret.txt',
    '/pub/x/%ef%bc%8e%ef%bc%8e/private/secret.txt',
    '/pub/private%u002fsecret.txt',
    '/pub/private%00/secret.txt',
    '/pub/%2570rivat%65;x%252f/./secret.txt',
    '/pub/%70rivate',
    '/pub/private;x',
    '/pub/private%2f',
    '/pub/private.',
    '/%70ub%2fprivate/secret.txt',
  ])
    t.match(routed(path), /^(?:ambiguous|private)$/, path)
})

t.test('E1: nor one that ends a path, trims a name or drops characters', async (t) => {
  for (const path of [
    '/pub/private%3fx/secret.txt',
    '/pub/private%3Fx',
    '/pub/private%23x/secret.txt',
    '/pub/private%253fx/secret.txt',
    '/pub/%70rivate%2523',
    '/pub/%20private/secret.txt',
    '/pub/%c2%a0private/secret.txt',
    '/pub/%E3%80%80private/secret.txt',
    '/pub/%2520private/secret.txt',
    '/pub/pri%09vate/secret.txt',
    '/pub/%0aprivate/secret.txt',
    '/pub/pri%0d%0avate/secret.txt',
    '/pub/%7fprivate/secret.txt',
    '/pub/pri%2509vate/secret.txt',
    '/pub/private::$DATA',
    '/pub/private::$INDEX_ALLOCATION/secret.txt',
    '/pub/private:$i30:$INDEX_ALLOCATION/secret.txt',
    '/pub/private%3a%3a$DATA/secret.txt',
    '/pub/private:%24i30:$INDEX_ALLOCATION/secret.txt',
  ])
    t.match(routed(path), /^(?:ambiguous|private)$/, path)
  for (const path of [
    '/pub/..%3f',
    '/pub/x/..%3Fx/private/s',
    '/pub/..%23x',
    '/pub/..%253fx',
    '/pub/%20../private/s',
    '/pub/%20..%20/private/s',
    '/pub/%c2%a0../x',
    '/pub/.%09./x',
    '/pub/.%0a.',
    '/pub/.%250d./x',
    '/pub/..::$DATA/x',
    '/api/..%3f',
    '/api/%20../pub/x',
    '/api/.%09./pub/x',
  ])
    t.equal(routed(path), 'ambiguous', path)
  for (const path of [
    '/pub/what%3f',
    '/pub/a%3fb=c/%23d',
    '/pub/C%23/x',
    '/pub/%20x/y%20z',
    '/pub/a:b/c$d',
    '/pub/a::b',
    '/pub/price:%24/x',
    '/pub/x%2520y',
  ])
    t.equal(routed(path), 'pub', path)
})

t.test('E1: spellings that mean nothing else go on working', async (t) => {
  for (const [path, name] of [
    ['/npm/@scope%2fname', 'npm'],
    ['/npm/@scope%2Fname/-/name-1.0.0.tgz', 'npm'],
    ['/npm/%40scope%2fname', 'npm'],
    ['/%6epm/name', 'npm'],
    ['/%6Epm/name', 'npm'],
    ['/%6Epm', 'npm'],
    ['/pub/./Packages.gz', 'pub'],
    ['/pub/dists/.', 'pub'],
    ['/pub/a;v=1/b', 'pub'],
    ['/pub/privat%C3%A9/x', 'pub'],
    ['/pub/100%25', 'pub'],
    ['/pub/100%25%2520', 'pub'],
    ['/pub/a.', 'pub'],
    ['/pub/.hidden', 'pub'],
    ['/pub/caf%E9', 'pub'],
    ['/pub/private-not', 'pub'],
    ['/pub/private/%2570', 'private'],
  ] as const)
    t.equal(routed(path), name, path)
  t.same(
    nested.matchSpecial('gw', '/%6Epm/@scope%2Fname'),
    { route: nested.match('gw', '/npm/'), path: '/npm/@scope%2Fname' },
    'what is behind the route is as received',
  )
})

t.test('R02: a verbatim route takes what is data in its segments, and is never left', async (t) => {
  for (const path of [
    '/api/queues/%2F/orders',
    '/api/https%3A%2F%2Fexample.com%2Fx/y',
    '/api/%5C',
    '/api/a\\b',
    '/api/bucket//key//',
    '/api//a',
    '/api/a%2f',
    '/api/./a',
  ]) {
    t.equal(routed(path), 'api', path)
    t.equal(routed(path.replace('/api/', '/npm/')), path === '/api/./a' ? 'npm' : 'ambiguous', path)
  }
  for (const path of [
    '/api/../pub/private/',
    '/api/a/../b',
    '/api/%2e%2e/pub/',
    '/api/x%2f..%2f..%2fpub',
    '/api/..%5cpub',
    '/api/..;/pub',
    '/api/%252e%252e%252fpub',
    '/api/%c0%ae%c0%ae/pub',
    '/api/%',
    '/api/%00',
    '//api/x',
    '/pub%2f..%2fapi/x',
  ])
    t.match(routed(path), /^(?:ambiguous|none)$/, path)
})

/** Ways to write one character that some server takes for the same. */
const spellings = (character: string) =>
  constantFrom(
    character,
    character,
    `%${character.codePointAt(0)?.toString(16)}`,
    `%${character.codePointAt(0)?.toString(16).toUpperCase()}`,
    `%25${character.codePointAt(0)?.toString(16)}`,
  )
const separator = constantFrom(
  '/',
  '/',
  '/./',
  '//',
  '%2f',
  '%2F',
  '%5c',
  '\\',
  ';a/',
  '%3ba/',
  './',
  '%20/',
  '/%2e/',
  '/x/../',
)

t.test('E1: the decision on a path is that on every equivalent spelling, or 400', async () => {
  const spelled = (name: string) => tuple(...Array.from(name, spellings)).map((parts) => parts.join(''))
  const paths = tuple(separator, spelled('pub'), separator, spelled('private'), separator, spelled('s'))
  assert(
    property(paths, (parts) => {
      const path = `/${parts.join('')}`.replace(/^\/\//, '/')
      const name = routed(path)
      return name === 'private' || name === 'ambiguous' || (name === 'none' && !path.startsWith('/pub/'))
    }),
    { numRuns: 20_000 },
  )
  assert(
    property(array(spellings('a'), { maxLength: 6 }), (parts) =>
      ['pub', 'ambiguous'].includes(routed(`/pub/${parts.join('')}`)),
    ),
  )
})

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCodePoint(Number.parseInt(hex, 16)),
    )
  }
}
const names = (path: string, name: (segment: string) => string): string => path.split('/').map(name).join('/')
/** What servers make of a path before they take its segments one by one, written without the code that is tested. */
const SERVERS: Record<string, (path: string) => string> = {
  'as it is': (path) => path,
  'once decoded': decoded,
  'twice decoded': (path) => decoded(decoded(path)),
  'encoded slashes left alone': (path) => path.replaceAll(/%(?!2f)[0-9a-f]{2}/gi, decoded),
  'parameters dropped': (path) => decoded(path.replaceAll(/;[^/]*/g, '')),
  'decoded, parameters dropped': (path) => decoded(path).replaceAll(/;[^/]*/g, ''),
  'of Windows': (path) =>
    names(decoded(path).replaceAll('\\', '/'), (name) =>
      /^\.+$/.test(name) ? name : name.replace(/[. ]+$/, ''),
    ),
  'with streams': (path) => names(decoded(path), (name) => name.replace(/::?\$.*/, '')),
  'sent on decoded': (path) => decoded(decoded(path).replace(/[?#].*/s, '')).replace(/[?#].*/s, ''),
  'compatible forms': (path) => decoded(path).normalize('NFKC'),
  'as browsers do': (path) => decoded(path).replaceAll(/[\t\r\n]/g, ''),
  trimmed: (path) => names(decoded(path), (name) => name.trim()),
}

function takenBy(server: (path: string) => string, path: string): string {
  const segments: string[] = []
  for (const segment of server(path).split('/')) {
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(segment)
  }
  const place = `/${segments.join('/')}/`
  if (place.startsWith('/pub/private/')) return 'private'
  return place.startsWith('/pub/') ? 'pub' : 'outside'
}

t.test('E1: no server takes what is routed as public for something else', async () => {
  const pieces =
    '/ / /private /private private /s . .. /. /.. %2e %2f %5c \\ ; %3b %3f %23 ' +
    '%20 %09 %0d %252f %252e %253f %25 %70 %2570 %c3%a9 %00 %ef%bc%8f %ef%bc%8e %a0 %c2%a0 ::$DATA :$i30 %7f ~ - x'
  const piece = constantFrom(...pieces.split(' '))
  assert(
    property(array(piece, { minLength: 1, maxLength: 9 }), (parts) => {
      const path = `/pub/${parts.join('')}`
      const name = routed(path)
      if (name !== 'pub' && name !== 'private') return true
      return Object.values(SERVERS).every((server) => takenBy(server, path) === name)
    }),
    { numRuns: 20_000 },
  )
})

t.test('a path of a thousand meanings has few readings, and an endless one none', async (t) => {
  const readings = readingsOf(`/pub/${'%2570/a;b%2fc./'.repeat(80)}`, 3)
  t.ok(readings !== null && readings.size <= 32)
  for (const reading of readings ?? []) t.ok(reading.length < 100, reading)
  t.equal(readingsOf(`/pub/${'%2570/a;b%2fc./'.repeat(600)}`, 3), null)
  t.equal(routed(`/pub/${'./'.repeat(3000)}private/x`), 'ambiguous')
  t.equal(routed(`/pub/${'a;/./'.repeat(100)}private/%2570`), 'pub')
})

for (const hasPlainPath of [true, false]) {
  t.test(`E1: nobody reads a private file by another spelling (plain: ${hasPlainPath})`, async (t) => {
    const gateway = await startGateway(t, {
      listener: { hasPlainPath },
      routes: [
        { name: 'pub', path: '/pub/', auth: 'public' },
        { name: 'private', path: '/pub/private/' },
      ],
    })
    const spellings = ['/pub/./private/s', '/pub/%70rivate/s', '/pub/private%2fs', '/pub/private;x/s']
    for (const path of spellings) {
      const client = await gateway.client()
      client.send(`GET ${path} HTTP/1.1\r\nHost: gw\r\n\r\n`)
      t.equal((await client.message()).status, 400, path)
    }
    t.equal(gateway.upstream.all.length, 0)
    const client = await gateway.client()
    client.send(gateway.head('GET /pub/pr%69vate%2Dnot/%7Ea HTTP/1.1'))
    const { wire, message } = await gateway.upstream.request()
    t.equal(message.startLine, 'GET /pr%69vate%2Dnot/%7Ea HTTP/1.1', 'the bytes as received')
    wire.send('HTTP/1.1 204 No Content\r\n\r\n')
    await client.message()
    const refused = { status: 400, reason: 'path', route: '', tenant: '' } as const
    await gateway.finish(t, [refused, refused, refused, refused, { status: 204, route: 'pub' }])
  })
}

t.test('a path that needs a closer look has 256 segments at most, in any reading', async (t) => {
  for (const separator of ['/', '\\', '%2f', '%5C', '%252f']) {
    const of = (segments: number): string => `/r;${`${separator}a`.repeat(segments - 1)}`
    t.not(readingsOf(of(256), 3), null, `256 by ${separator}`)
    t.equal(readingsOf(of(257), 3), null, `257 by ${separator}`)
  }
})
