import fc from 'fast-check'
import t from 'tap'
import { HtmlRewriter } from './html-rewriter.ts'
import { pathTree } from './json-paths.ts'
import { JsonRewriter } from './json-rewriter.ts'
import type { Rewriter } from './document-rule.ts'
import { WholeJsonRewriter } from './whole-json.ts'
import { YamlListRewriter } from './yaml-list-rewriter.ts'

const OLD = 'http://repo.example.com/'
const NEW = 'https://gw.example.com/base/r/'
const translate = (address: string): string =>
  address.startsWith(OLD) ? NEW + address.slice(OLD.length) : address

interface Kind {
  readonly open: () => Rewriter
  /** Parts of documents, of which most make one that is malformed. */
  readonly parts: readonly string[]
}

const KINDS: Readonly<Record<string, Kind>> = {
  html: {
    open: () => new HtmlRewriter(translate),
    parts: [
      '<',
      '>',
      '<a ',
      '<A',
      'href',
      '=',
      '"',
      "'",
      ' ',
      '\n',
      '/',
      '/>',
      '!',
      '-',
      '<!--',
      '-->',
      '>',
      '<script>',
      '<sCript ',
      '</script',
      '<textarea',
      '</textarea>',
      '<base ',
      'x',
      'ü',
      '&amp;',
      '\0',
      `<a href="${OLD}a">`,
      `<a href=${OLD}b>`,
      OLD,
      '/path',
      'x'.repeat(16_360),
      'x'.repeat(1440),
    ],
  },
  yaml: {
    open: () => new YamlListRewriter('urls', translate),
    parts: [
      'urls:',
      'urls: ',
      '- ',
      ' ',
      '  ',
      '\n',
      '\r',
      '\r\n',
      '"',
      "'",
      '[',
      ']',
      ',',
      '#',
      '|',
      '>-',
      ':',
      'x',
      '\\',
      'ü',
      `- ${OLD}a\n`,
      `  - "${OLD}b" # c\n`,
      `[${OLD}a, '${OLD}b', don't]`,
      OLD,
      '\turls:\n',
      'x'.repeat(16_360),
      ' '.repeat(8180),
      ' '.repeat(16_380),
    ],
  },
  json: {
    open: () => new JsonRewriter(pathTree(['versions.*.dist.tarball', 'files.*.url']), translate),
    parts: [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '\\u0061',
      'x',
      ' ',
      '1',
      'null',
      '\\"',
      '{"versions":{',
      '"1":{"dist":{',
      '"tarball":"',
      `"tarball":"${OLD}a"`,
      '"files":[',
      `{"url":"${OLD}b"}`,
      OLD,
      'ü',
      'x'.repeat(8180),
      'x'.repeat(370),
      '{"versions":{"1":{"dist":{"tarball":"',
      '{"files":[{"url":"',
    ],
  },
  'whole JSON': {
    open: () =>
      new WholeJsonRewriter(9000, (value) => {
        value['a'] = 'b'
        return null
      }),
    parts: ['{', '}', '"x":', '1', ',', '"', 'ü', 'x'.repeat(8990), '{"x":1}'],
  },
}

interface Rewritten {
  readonly text: string
  readonly fault: string | null
}

/** `cuts` are places in the document, in bytes and in rising order. */
function rewrite(rewriter: Rewriter, bytes: Buffer, cuts: Iterable<number>): Rewritten {
  const out: Buffer[] = []
  let from = 0
  for (const end of [...cuts, bytes.length]) {
    // As a socket's buffer is: overwritten after the call.
    const piece = Buffer.from(bytes.subarray(from, end))
    out.push(rewriter.push(piece))
    piece.fill(0)
    from = end
  }
  out.push(rewriter.end())
  return { text: Buffer.concat(out).toString('latin1'), fault: rewriter.fault }
}

for (const [name, { open, parts }] of Object.entries(KINDS)) {
  t.test(`${name}: what comes out does not depend on the pieces that it came in`, async (t) => {
    const documents = fc.array(fc.constantFrom(...parts), { maxLength: 24 }).map((some) => some.join(''))
    const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 })
    fc.assert(
      fc.property(documents, places, fc.nat(2), (document, some, way) => {
        const bytes = Buffer.from(document)
        const whole = rewrite(open(), bytes, [])
        const cuts =
          way === 0 && bytes.length < 2000
            ? bytes.keys()
            : some.map((place) => Math.round(place * bytes.length)).toSorted((a, b) => a - b)
        const { text, fault } = rewrite(open(), bytes, cuts)
        return text === whole.text && fault === whole.fault
      }),
      { numRuns: 1000 },
    )
    t.pass()
  })
}

/** Calls `count` at each call of a method; returns what ends that. */
function watch(
  owner: object,
  name: string,
  count: (self: { readonly length: number }, result: unknown, args: readonly unknown[]) => void,
): () => void {
  const own = Reflect.get(owner, name) as (...args: unknown[]) => unknown
  Reflect.set(owner, name, function (this: { readonly length: number }, ...args: unknown[]): unknown {
    const result: unknown = Reflect.apply(own, this, args)
    count(this, result, args)
    return result
  })
  return () => void Reflect.set(owner, name, own)
}

/** Characters that were searched one by one or by a method of texts, and bytes that were copied, while `run` ran. */
function workOf(run: () => void): number {
  let work = 0
  const ends = [
    watch(String.prototype, 'charCodeAt', () => work++),
    watch(String.prototype, 'indexOf', ({ length }, found, [, from = 0]) => {
      work += (found === -1 ? length : Number(found) + 1) - Number(from)
    }),
    watch(String.prototype, 'startsWith', (_, __, [wanted]) => (work += String(wanted).length)),
    watch(String.prototype, 'toLowerCase', ({ length }) => (work += length)),
    watch(Buffer, 'concat', (_, whole) => (work += (whole as Buffer).length)),
    watch(Buffer.prototype, 'copy', (_, count) => (work += Number(count))),
  ]
  try {
    run()
  } finally {
    for (const end of ends) end()
  }
  return work
}

/** Two documents, the other twice as long, of which each byte is one that could be held and searched again. */
const LONG: readonly [string, string, (length: number) => string][] = [
  ['html', 'a tag without end', (length) => `<a ${'x'.repeat(length)}`],
  ['html', 'tags as long as they may be', (length) => `<a ${'x'.repeat(16_000)}>`.repeat(length / 16_000)],
  ['html', 'quotes within a tag', (length) => `<a ${`="'" `.repeat(length / 5)}`],
  ['html', 'a comment without end', (length) => `<!--${'-'.repeat(length)}`],
  ['html', 'a script without end', (length) => `<script>${'<'.repeat(length)}`],
  ['html', 'ends that are none', (length) => `<script>${'</scrip'.repeat(length / 7)}`],
  ['yaml', 'a line without end', (length) => `urls:\n- ${'x'.repeat(length)}`],
  ['yaml', 'lines as long as they may be', (length) => `- ${'x'.repeat(16_000)}\n`.repeat(length / 16_000)],
  ['json', 'an address without end', (length) => `{"files":[{"url":"${'x'.repeat(length)}`],
  [
    'json',
    'addresses as long as they may be',
    (length) => `{"files":[${`{"url":"${'x'.repeat(8000)}"},`.repeat(length / 8000)}`,
  ],
  ['json', 'a name without end', (length) => `{"versions":{"1":{"${'x'.repeat(length)}`],
  ['whole JSON', 'a document that is too long', (length) => `{"x":"${'x'.repeat(length)}`],
]

for (const [name, what, make] of LONG) {
  t.test(`${name}: ${what}, byte by byte, takes work for each byte and no more`, async (t) => {
    const open = KINDS[name]?.open
    if (open === undefined) throw new Error(name)
    const [single, double] = [64_000, 128_000].map((length) => {
      const bytes = Buffer.from(make(length))
      return workOf(() => {
        const rewriter = open()
        for (let at = 0; at < bytes.length; at++) rewriter.push(bytes.subarray(at, at + 1))
        rewriter.end()
      })
    }) as [number, number]
    t.ok(single <= 64_000 * 40, `${single} for 64000 bytes`)
    t.ok(double <= single * 2.1, `${double} for twice as many as had ${single}`)
  })
}

t.test('a list in brackets whose quotes have no end is left as it is', async (t) => {
  const { open } = KINDS['yaml'] as Kind
  for (const rest of ['"\\'.repeat(8000), `"${'\\"'.repeat(8000)}`, "'x".repeat(8001), '"x'.repeat(8001)]) {
    const text = `urls: [${rest}\n`
    t.same(rewrite(open(), Buffer.from(text), []), { text, fault: null })
  }
  const one = `urls: [don't, ${OLD}a, it's]\n`
  t.equal(rewrite(open(), Buffer.from(one), []).text, one.replace(OLD, NEW))
})

t.test('a key behind which a line has thousands of blanks is no key if no value follows them', async (t) => {
  const { open } = KINDS['yaml'] as Kind
  const text = `urls:${' '.repeat(16_000)}\rx\n- ${OLD}a\n`
  t.same(rewrite(open(), Buffer.from(text), []), { text, fault: null })
})

t.test('a document that cannot be written anew is malformed, and passes as it is', async (t) => {
  const text = '{"objects":[]}'
  const rewriter = new WholeJsonRewriter(100, (value) => {
    value['objects'] = 1n
    return null
  })
  t.same(rewrite(rewriter, Buffer.from(text), []), { text, fault: 'document_malformed' })
})

// The JSON of Node 20 and 24 cannot write so many levels; that of Node 26 can.
t.test('a document of 200,000 levels passes as it is', async (t) => {
  const levels = 200_000
  const text = `{"objects":[],"x":${'['.repeat(levels)}${']'.repeat(levels)}}`
  const rewriter = new WholeJsonRewriter(2 * levels + 100, () => null)
  t.equal(rewrite(rewriter, Buffer.from(text), []).text, text)
})

t.test('a comment ends where it began, and a long tag still begins a script', async (t) => {
  const { open } = KINDS['html'] as Kind
  const link = (start: string): string => `<a href="${start}a">`
  for (const before of ['<!-->', '<!--->', '<!-- x -->', `<a ${'x'.repeat(20_000)}>`, '<script/>'])
    t.equal(
      rewrite(open(), Buffer.from(before + link(OLD)), []).text,
      before + link(NEW),
      before.slice(0, 20),
    )
  const script = `<script data-x="${'x'.repeat(20_000)}">"${link(OLD)}"</script>`
  t.equal(rewrite(open(), Buffer.from(script + link(OLD)), []).text, script + link(NEW))
})
