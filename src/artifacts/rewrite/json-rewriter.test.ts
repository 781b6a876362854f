import fc from 'fast-check'
import t from 'tap'
import { isDeepStrictEqual } from 'node:util'
import { pathTree, type PathNode } from './json-paths.ts'
import { JsonRewriter } from './json-rewriter.ts'

const PATHS = [
  'versions.*.dist.tarball',
  'versions.*.dist.attestations.url',
  'files.*.url',
  'dist.tarball',
  'every.*',
]
const TREE = pathTree(PATHS)
const OLD = 'http://repo.example.com/'
const NEW = 'https://gw.example.com/base/npm/'
const translate = (address: string): string =>
  address.startsWith(OLD) ? NEW + address.slice(OLD.length) : address

interface Rewritten {
  readonly text: string
  readonly fault: string | null
}

function rewrite(text: string | Buffer, cuts: readonly number[] = [], map = translate): Rewritten {
  const bytes = Buffer.from(text)
  const rewriter = new JsonRewriter(TREE, map)
  const out: Buffer[] = []
  const ends = [...new Set(cuts.filter((cut) => cut < bytes.length))].toSorted((a, b) => a - b)
  let from = 0
  for (const end of [...ends, bytes.length]) {
    // As a socket's buffer is: overwritten after the call.
    const piece = Buffer.from(bytes.subarray(from, end))
    out.push(rewriter.push(piece))
    piece.fill(0)
    from = end
  }
  out.push(rewriter.end())
  return { text: Buffer.concat(out).toString(), fault: rewriter.fault }
}

/** What a parser makes of it: every address at its place replaced. */
function naive(value: unknown, node: PathNode | null = TREE): unknown {
  if (typeof value === 'string') return node?.isAddress === true ? translate(value) : value
  if (Array.isArray(value)) return value.map((one) => naive(one, node?.all ?? null))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      name,
      naive(one, node?.all ?? node?.byName?.get(name) ?? null),
    ]),
  )
}

const DOCUMENT = {
  name: 'left-pad',
  readme: `see ${OLD}x "quoted" \\ and \n [{`,
  dist: { tarball: `${OLD}left-pad/-/left-pad-1.0.0.tgz`, other: `${OLD}x` },
  versions: {
    '1.0.0': {
      dist: { integrity: 'sha512-x', tarball: `${OLD}a.tgz`, attestations: { url: `${OLD}-/a`, n: [1] } },
    },
    '1.1.0': {
      deep: [[{ dist: { tarball: `${OLD}not` } }]],
      dist: { tarball: 'https://elsewhere.example.com/a' },
    },
    odd: { dist: [{ tarball: `${OLD}not` }], x: null },
    none: { dist: { tarball: null, attestations: {} } },
  },
  files: [{ url: `${OLD}ü.whl`, hashes: {} }, `${OLD}no`, { url: 7 }, []],
  every: { a: `${OLD}1`, b: { c: `${OLD}2` }, '': `${OLD}3` },
  empty: {},
  numbers: [-1.5e3, true, false, null],
}

t.test(
  'addresses at their places are replaced, and no other byte, wherever the document is cut',
  async (t) => {
    for (const indent of [0, 2]) {
      const text = JSON.stringify(DOCUMENT, null, indent)
      const whole = rewrite(text)
      t.same(JSON.parse(whole.text), naive(DOCUMENT))
      t.equal(whole.fault, null)
      t.equal(rewrite(text, [], (address) => address).text, text)
      for (let cut = 1; cut < text.length; cut++) {
        const { text: cutText, fault } = rewrite(text, [cut])
        if (cutText !== whole.text || fault !== null) t.fail(`cut at ${cut}`)
      }
      t.same(
        rewrite(
          text,
          Array.from(text, (_, i) => i),
        ),
        whole,
        'byte by byte',
      )
    }
  },
)

t.test('however an address is written, it is read, and stays as it was if it need not change', async (t) => {
  for (const [written, shown] of [
    ['{"dist":{"tarball":"http:\\/\\/repo.example.com\\/a\\u00e4"}}', `{"dist":{"tarball":"${NEW}aä"}}`],
    [
      '{"d\\u0069st":{"tarb\\u0061ll":"http://repo.example.com/a"}}',
      `{"d\\u0069st":{"tarb\\u0061ll":"${NEW}a"}}`,
    ],
    ['{"dist":{"tarball":"http:\\/\\/elsewhere.example.com"}}', null],
    ['{"dist":{"tarball":"http://repo.example.com/\\q"}}', null],
    ['{"dist":{"tarball":"javascript:alert(1)"}}', null],
    ['{"dist":{"tarball":"\\"\\\\"}}', null],
    ['{"dist":{"tarball":""}}', null],
    [`{"dist":{"tarball":"${OLD}${'a'.repeat(9000)}"}}`, null],
    ['"http://repo.example.com/"', null],
    ['12', null],
    ['[]', null],
    [
      '{"dist" : {\n"tarball"\t:\r"http://repo.example.com/a" } }',
      `{"dist" : {\n"tarball"\t:\r"${NEW}a" } }`,
    ],
  ] as const) {
    for (const cuts of [[], Array.from(written, (_, i) => i)])
      t.ok(
        isDeepStrictEqual(rewrite(written, cuts), { text: shown ?? written, fault: null }),
        written.slice(0, 60),
      )
  }
  const latin = Buffer.concat([
    Buffer.from('{"dist":{"tarball":"http://repo.example.com/'),
    Buffer.from([0xe4, 0x22]),
    Buffer.from('}}'),
  ])
  const rewriter = new JsonRewriter(TREE, translate)
  t.same(Buffer.concat([rewriter.push(latin), rewriter.end()]), latin, 'invalid UTF-8 stays as it is')
  t.same(
    rewrite(`{"${'x'.repeat(1000)}":1,"dist":{"tarball":"${OLD}a"}}`, [400, 700]).text.slice(-50),
    `{"${'x'.repeat(1000)}":1,"dist":{"tarball":"${NEW}a"}}`.slice(-50),
  )
})

t.test('what is no document has a fault, and passes as it is', async (t) => {
  for (const text of [
    '<!doctype html><a href="http://repo.example.com/">',
    '',
    '{"versions":{',
    '{"versions":{}',
    '{"a":1}}',
    '{"a":1} x',
    '{"a":1}{"dist":{"tarball":"http://repo.example.com/a"}}',
    '{"a":[}',
    '{"x":{"a":[1,2}}',
    '[1,2',
    '{"dist":{"tarball":"http://repo.exa',
    '{"dist" {"tarball":1}}',
    '{"dist":{"tarball":"http://repo.example.com/" "x"}}',
    '{"dist":,}',
    '{,}',
    '{"dist":{},}',
    '\u{feff}{}',
    '\u0000\u0001',
    `${'['.repeat(1000)}${']'.repeat(1000)}`,
    `{"versions":${'{"a":'.repeat(1000)}1${'}'.repeat(1001)}`,
  ]) {
    for (const cuts of [[], Array.from(text, (_, i) => i)]) {
      const { text: shown, fault } = rewrite(text, cuts, (address) => address)
      t.equal(fault, 'document_malformed', text.slice(0, 60))
      t.equal(shown, text)
    }
  }
})

/** Documents with addresses at their places and elsewhere, in the names that matter and others. */
const documents = fc.letrec((tie) => ({
  address: fc.string().map((text) => OLD + text),
  text: fc.oneof(fc.string({ unit: 'grapheme' }), tie('address')),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, 0, -1e21),
    tie('text'),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(
        fc.constantFrom('versions', 'dist', 'tarball', 'attestations', 'url', 'files', 'every'),
        fc.string(),
      ),
      tie('value'),
      { maxKeys: 5 },
    ),
  ),
})).value

t.test('for every document and every cut it is what a parser makes of it', async (t) => {
  fc.assert(
    fc.property(documents, fc.array(fc.nat(400)), fc.constantFrom(0, 1), (value, cuts, indent) => {
      const text = JSON.stringify(value, null, indent)
      const { text: shown, fault } = rewrite(text, cuts)
      return (
        fault === null &&
        JSON.stringify(JSON.parse(shown)) === JSON.stringify(naive(JSON.parse(text))) &&
        rewrite(text, cuts, (address) => address).text === text
      )
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('no bytes at all make it throw, and what is a document to a parser has no fault', async (t) => {
  const pieces = fc.array(
    fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      'x',
      '"dist":{',
      '"tarball":"',
      OLD,
      ' ',
      '1',
      'null',
    ),
    { maxLength: 40 },
  )
  fc.assert(
    fc.property(pieces, fc.array(fc.nat(100)), (parts, cuts) => {
      const text = parts.join('')
      const same = rewrite(text, cuts, (address) => address)
      if (same.text !== text) return false
      try {
        JSON.parse(text)
      } catch {
        return true
      }
      return same.fault === null
    }),
    { numRuns: 5000 },
  )
  t.pass()
})
