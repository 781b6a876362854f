import fc from 'fast-check'
import t from 'tap'
import type { ResponseHead } from './response-head.ts'
import { ResponseParser, type ParseVerdict } from './response-parser.ts'

/** What a parser said of some bytes. */
interface Heard {
  readonly heads: readonly Pick<ResponseHead, 'status' | 'statusText' | 'fields'>[]
  readonly body: string
  readonly trailers: readonly string[]
  readonly verdict: ParseVerdict
  /** Bytes behind the response. */
  readonly surplus: number
  /** Whether the connection's end would be the response's. */
  readonly endsWithConnection: boolean
}

/** Feeds the bytes in pieces that end at `cuts`, each in memory that is overwritten afterwards, as a socket's buffer is. */
function hear(bytes: Buffer, cuts: readonly number[], isHead = false): Heard {
  const heads: Heard['heads'][number][] = []
  let body = ''
  const parser = new ResponseParser(
    {
      onHead: ({ status, statusText, fields }) => heads.push({ status, statusText, fields }),
      onBody: (part) => (body += part.toString('latin1')),
    },
    isHead,
  )
  let verdict: ParseVerdict = 'more'
  let surplus = 0
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    if (to <= from) continue
    if (verdict === 'more') {
      const piece = Buffer.from(bytes.subarray(from, to))
      verdict = parser.execute(piece)
      surplus += piece.length - (verdict === 'done' ? parser.consumed : piece.length)
      piece.fill(0x21)
    } else if (verdict === 'done') {
      surplus += to - from
    }
    from = to
  }
  return { heads, body, trailers: parser.trailers, verdict, surplus, endsWithConnection: parser.end() }
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

const chance = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(values, { nil: null })
const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}$/)
const fieldName = token.map((name) => `X-${name}`)
const fieldValue = fc.stringMatching(
  /^[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]{0,40}[\x21-\x7e\x80-\xff])?$/,
)
const space = fc.constantFrom('', ' ', '\t', '  ')
const fields = fc.array(fc.tuple(fieldName, space, fieldValue, space), { maxLength: 8 })
const content = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1'))

const lines = (list: readonly (readonly [string, string, string, string])[]): string =>
  list.map(([name, before, value, after]) => `${name}:${before}${value}${after}\r\n`).join('')
const flat = (list: readonly (readonly [string, string, string, string])[]): string[] =>
  list.flatMap(([name, , value]) => [name, value])

const chunk = fc.tuple(
  fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  fc.constantFrom('', ';a', ';a=b', ';a="b c"'),
  fc.boolean(),
)

/** A valid response and what must be heard of it. */
const response = fc
  .record({
    interim: fc.array(fc.tuple(fc.constantFrom(100, 102, 103), fields), { maxLength: 2 }),
    status: fc.constantFrom(200, 201, 206, 301, 404, 500, 599),
    text: fc.constantFrom(' OK', ' ', '', ' Not\tat all', ' \xe9'),
    fields,
    framing: fc.oneof(
      fc.record({ kind: fc.constant('length' as const), content }),
      fc.record({ kind: fc.constant('close' as const), content }),
      fc.record({
        kind: fc.constant('chunks' as const),
        chunks: fc.array(chunk, { maxLength: 5 }),
        trailers: fields,
      }),
    ),
    surplus: chance(fc.constantFrom('H', '\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison')),
  })
  .map((r) => {
    const heads = r.interim.map(([status, list]) => ({ status, statusText: 'Wait', fields: flat(list) }))
    let bytes = r.interim.map(([status, list]) => `HTTP/1.1 ${status} Wait\r\n${lines(list)}\r\n`).join('')
    let framing: string[] = []
    let body = ''
    let coded = ''
    if (r.framing.kind === 'chunks') {
      framing = ['Transfer-Encoding', 'Chunked']
      for (const [data, extension, isUpper] of r.framing.chunks) {
        const size = data.length.toString(16)
        coded += `${isUpper ? size.toUpperCase() : `00${size}`}${extension}\r\n${data}\r\n`
        body += data
      }
      coded += `0\r\n${lines(r.framing.trailers)}\r\n`
    } else {
      body = coded = r.framing.content
      if (r.framing.kind === 'length') framing = ['content-length', String(body.length)]
    }
    const framingLine = framing.length === 0 ? '' : `${framing.join(': ')}\r\n`
    bytes += `HTTP/1.1 ${r.status}${r.text}\r\n${lines(r.fields)}${framingLine}\r\n${coded}`
    const surplus = r.framing.kind === 'close' ? '' : (r.surplus ?? '')
    const expected: Heard = {
      heads: [
        ...heads,
        { status: r.status, statusText: r.text.slice(1), fields: [...flat(r.fields), ...framing] },
      ],
      body,
      trailers: r.framing.kind === 'chunks' ? flat(r.framing.trailers) : [],
      verdict: r.framing.kind === 'close' ? 'more' : 'done',
      surplus: surplus.length,
      endsWithConnection: true,
    }
    return { bytes: latin1(bytes + surplus), expected }
  })

t.test('a response is heard as it was sent, wherever the network cuts it', (t) => {
  fc.assert(
    fc.property(response, fc.array(fc.nat(2000), { maxLength: 12 }), ({ bytes, expected }, cuts) => {
      const places = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b)
      t.same(hear(bytes, []), expected)
      t.same(hear(bytes, places), expected)
    }),
    { numRuns: 300 },
  )
  fc.assert(
    fc.property(response, ({ bytes, expected }) => {
      t.same(hear(bytes, Array.from(bytes.keys())), expected, 'byte by byte')
    }),
    { numRuns: 100 },
  )
  t.end()
})

const HEAD = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`

/** Everything that no two readers need take alike. */
const MALFORMED: readonly (readonly [string, string])[] = [
  ['no status line', 'hello\r\n\r\n'],
  ['another protocol', 'SSH-2.0-OpenSSH\r\n'],
  ['a request', 'GET / HTTP/1.1\r\n\r\n'],
  ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n'],
  ['a lower-case protocol', 'http/1.1 200 OK\r\n\r\n'],
  ['an empty line first', `\r\n${HEAD}\r\n`],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
  ['no space before the reason', 'HTTP/1.1 200OK\r\n\r\n'],
  ['NUL in the reason', 'HTTP/1.1 200 O\0K\r\n\r\n'],
  ['101', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
  ['bare LF after the status line', 'HTTP/1.1 200 OK\nA: b\r\n\r\n'],
  ['bare LF throughout', 'HTTP/1.1 200 OK\nA: b\n\n'],
  ['bare CR in a value', `${HEAD}A: b\rc\r\n\r\n`],
  ['bare CR at the end of a value', `${HEAD}A: b\r\r\n\r\n`],
  ['bare LF in a value', `${HEAD}A: b\nc: d\r\n\r\n`],
  ['NUL in a value', `${HEAD}A: b\0\r\n\r\n`],
  ['a control character in a value', `${HEAD}A: \x01\r\n\r\n`],
  ['DEL in a value', `${HEAD}A: \x7f\r\n\r\n`],
  ['obs-fold', `${HEAD}A: b\r\n c\r\n\r\n`],
  ['obs-fold of the first line', `${HEAD} A: b\r\n\r\n`],
  ['space before the colon', `${HEAD}Content-Length : 1\r\n\r\na`],
  ['an empty name', `${HEAD}: b\r\n\r\n`],
  ['a line without colon', `${HEAD}Broken\r\n\r\n`],
  ['an invalid name', `${HEAD}A(b): c\r\n\r\n`],
  ['obs-text in a name', `${HEAD}\xe9: c\r\n\r\n`],
  ['NUL in a name', `${HEAD}A\0: c\r\n\r\n`],
  ...['', '+3', '-1', '3.0', '0x3', '3, 3', '3 3', '1e3', '3;', '\xb2', '9'.repeat(16)].map(
    (value) =>
      [`Content-Length ${JSON.stringify(value)}`, `${HEAD}Content-Length: ${value}\r\n\r\nabc`] as const,
  ),
  ['two Content-Lengths that differ', `${HEAD}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`],
  ['two Content-Lengths that are equal', `${HEAD}Content-Length: 3\r\ncontent-length: 3\r\n\r\nabc`],
  ['both framings', `${HEAD}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`],
  ['both framings the other way', `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`],
  ...[
    'gzip',
    'gzip, chunked',
    'chunked, chunked',
    'identity',
    '',
    'chunked;a=b',
    'xchunked',
    '\x0bchunked',
  ].map(
    (value) =>
      [
        `Transfer-Encoding ${JSON.stringify(value)}`,
        `${HEAD}Transfer-Encoding: ${value}\r\n\r\nabc`,
      ] as const,
  ),
  [
    'Transfer-Encoding twice',
    `${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a head that is too large', `${HEAD}A: ${'x'.repeat(70_000)}\r\n\r\n`],
  ['a head that is too large and has no end', `${HEAD}A: ${'x'.repeat(70_000)}`],
  ['too many interim heads', `HTTP/1.1 102 Wait\r\nA: ${'x'.repeat(60_000)}\r\n\r\n`.repeat(5)],
  ['a chunk without size', `${CHUNKED}\r\nabc\r\n0\r\n\r\n`],
  ['a chunk size that is none', `${CHUNKED}ZZ\r\nabc\r\n0\r\n\r\n`],
  ['a negative chunk size', `${CHUNKED}-1\r\nabc\r\n0\r\n\r\n`],
  ['a chunk size with prefix', `${CHUNKED}0x3\r\nabc\r\n0\r\n\r\n`],
  ['a chunk size beyond all numbers', `${CHUNKED}${'F'.repeat(17)}\r\nabc`],
  ['a chunk size that overflows to 3', `${CHUNKED}10000000000000003\r\nabc\r\n0\r\n\r\n`],
  ['space after a chunk size', `${CHUNKED}3 \r\nabc\r\n0\r\n\r\n`],
  ['space before a chunk size', `${CHUNKED} 3\r\nabc\r\n0\r\n\r\n`],
  ['bare LF after a chunk size', `${CHUNKED}3\nabc\r\n0\r\n\r\n`],
  ['bare CR after a chunk size', `${CHUNKED}3\rabc\r\n0\r\n\r\n`],
  ['bare LF after a chunk extension', `${CHUNKED}3;a\nabc\r\n0\r\n\r\n`],
  ['NUL in a chunk extension', `${CHUNKED}3;a\0\r\nabc\r\n0\r\n\r\n`],
  ['a chunk extension that is too long', `${CHUNKED}3;${'a'.repeat(17_000)}\r\nabc\r\n0\r\n\r\n`],
  ['extensions that are too long together', CHUNKED + `1;${'a'.repeat(1000)}\r\nx\r\n`.repeat(17)],
  ['a chunk longer than it says', `${CHUNKED}2\r\nabc\r\n0\r\n\r\n`],
  ['bare LF after a chunk', `${CHUNKED}3\r\nabc\n0\r\n\r\n`],
  ['a trailer without colon', `${CHUNKED}0\r\nBroken\r\n\r\n`],
  ['obs-fold in trailers', `${CHUNKED}0\r\nA: b\r\n c\r\n\r\n`],
  ['a trailer section that is too large', `${CHUNKED}0\r\nA: ${'x'.repeat(70_000)}`],
  ['bare CR after the last chunk', `${CHUNKED}0\r\n\rX`],
]

for (const [name, text] of MALFORMED) {
  t.test(`malformed: ${name}`, (t) => {
    const bytes = latin1(text)
    t.equal(hear(bytes, []).verdict, 'malformed')
    const large = bytes.length > 4000
    const cuts = large ? [1, 7, 100, 65_530, 65_540] : Array.from(bytes.keys())
    const heard = hear(bytes, cuts)
    t.equal(heard.verdict, 'malformed', 'also in pieces')
    t.equal(heard.endsWithConnection, false)
    t.notOk(heard.heads.some(({ status }) => status === 101))
    t.end()
  })
}

for (const [name, text] of [
  ['no reason and no space', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n'],
  ['the largest head', `${HEAD}Content-Length: 0\r\nA: ${'x'.repeat(65_536 - 43)}\r\n\r\n`],
  ['an empty value', `${HEAD}A:\r\nContent-Length: 0\r\n\r\n`],
  ['a status beyond 599', 'HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n'],
  ['a Content-Length with leading zeros', `${HEAD}Content-Length: 003\r\n\r\nabc`],
] as const) {
  t.test(`accepted: ${name}`, (t) => {
    const heard = hear(latin1(text), [])
    t.equal(heard.verdict, 'done')
    t.equal(heard.surplus, 0)
    t.end()
  })
}

for (const [name, status, isHead, framing] of [
  ['HEAD with a length', 200, true, 'Content-Length: 5000\r\n'],
  ['HEAD of chunks', 200, true, 'Transfer-Encoding: chunked\r\n'],
  ['HEAD without framing', 200, true, ''],
  ['204 with a length', 204, false, 'Content-Length: 5\r\n'],
  ['304 with a length', 304, false, 'Content-Length: 5000\r\n'],
  ['304 of chunks', 304, false, 'Transfer-Encoding: chunked\r\n'],
] as const) {
  t.test(`over with its head, and what follows is surplus: ${name}`, (t) => {
    const heard = hear(latin1(`HTTP/1.1 ${status} X\r\n${framing}\r\npoison`), [], isHead)
    t.equal(heard.verdict, 'done')
    t.equal(heard.body, '')
    t.equal(heard.surplus, 6)
    t.end()
  })
}

t.test('the end of the connection is the end of a response only where nothing else says so', (t) => {
  t.equal(hear(latin1(`${HEAD}\r\nabc`), []).endsWithConnection, true)
  t.equal(hear(latin1('HTTP/1.0 200 OK\r\n\r\n'), []).endsWithConnection, true)
  for (const text of [
    '',
    'HTTP/1.',
    HEAD,
    `${HEAD}Content-Length: 3\r\n\r\nab`,
    `${CHUNKED}3\r\nabc\r\n0\r\n`,
  ]) {
    t.equal(hear(latin1(text), []).endsWithConnection, false, JSON.stringify(text))
  }
  t.end()
})

t.test('a parser that was stopped says nothing more', (t) => {
  const calls: string[] = []
  const parser: ResponseParser = new ResponseParser(
    {
      onHead: () => calls.push('head'),
      onBody: () => {
        calls.push('body')
        parser.stop()
      },
    },
    false,
  )
  t.equal(parser.execute(latin1(`${CHUNKED}1\r\na\r\n1\r\nb\r\nZZ`)), 'stopped')
  t.equal(parser.execute(latin1('1\r\nc\r\n')), 'stopped')
  t.same(calls, ['head', 'body'])
  t.end()
})

/** Pieces of responses in any order: nearer to a response than random bytes come. */
const shards = fc.array(
  fc.oneof(
    fc.constantFrom(
      HEAD,
      'HTTP/1.1 ',
      '200',
      ' ',
      '\r\n',
      '\r\n\r\n',
      '\n',
      '\r',
      'Content-Length: 3\r\n',
      'Content-Length:',
      'Transfer-Encoding: chunked\r\n',
      'Connection: close\r\n',
      '0\r\n\r\n',
      '3\r\nabc\r\n',
      'ffffffffffffff',
      ';',
      ':',
      '\0',
      '\xff',
    ),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  ),
  { maxLength: 25 },
)

t.test('garbage is answered with a verdict, the same one however it is cut', (t) => {
  fc.assert(
    fc.property(shards, fc.boolean(), fc.array(fc.nat(600), { maxLength: 6 }), (parts, isHead, cuts) => {
      const bytes = latin1(parts.join(''))
      const places = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b)
      const whole = hear(bytes, [], isHead)
      const pieces = hear(bytes, places, isHead)
      t.same(pieces.heads, whole.heads)
      t.equal(pieces.body, whole.body)
      // A piece may be enough to refuse what, cut elsewhere, needs the next line's end for it: never the other way to "done".
      if (whole.verdict === 'done') t.same(pieces, whole)
      else t.not(pieces.verdict, 'done')
    }),
    { numRuns: 2000 },
  )
  t.end()
})
