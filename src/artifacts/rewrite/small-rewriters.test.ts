import fc from 'fast-check'
import t from 'tap'
import { RouteAddresses } from '../../upstream/addresses/route-addresses.ts'
import { testRoute } from '../../test/gateway.ts'
import { cargoConfig } from './cargo-documents.ts'
import type { DocumentRule } from './document-rule.ts'
import { helmIndex } from './helm-documents.ts'
import { lfsBatch } from './lfs-documents.ts'
import { pypiPages } from './pypi-documents.ts'
import type { Route } from '../../model/route.ts'

const pypiHtml: DocumentRule = { ...pypiPages, open: (context) => pypiPages.open(context, 'text/html') }
const pypiJson: DocumentRule = {
  ...pypiPages,
  open: (context) => pypiPages.open(context, 'application/json'),
}
const OLD = 'https://repo.example.com/pkg/'
const NEW = 'https://gw.example.com/base/r/'
const FILES = `${NEW}~/files.example.com/packages/`
const ADDRESSES = new RouteAddresses(
  {
    origin: 'https://repo.example.com',
    base: '/pkg/',
    prefix: '/r/',
    asked: '/pkg/simple/',
    repository: null,
    named: null,
    told: 'gw.example.com',
    publicBase: '/base',
    files: [
      { origin: 'https://files.example.com', host: 'files.example.com', path: '/packages/', auth: false },
    ],
    source: null,
    isRouted: () => false,
  },
  'https://gw.example.com',
)

interface Rewritten {
  readonly text: string
  readonly fault: string | null
}

function rewrite(
  rule: DocumentRule,
  text: string,
  cuts: readonly number[] = [],
  route: Partial<Route> = {},
): Rewritten {
  const context = {
    route: testRoute(1, route),
    addresses: ADDRESSES,
    translate: (address: string) => ADDRESSES.translate(address),
  }
  const rewriter = rule.open(context, '')
  const bytes = Buffer.from(text)
  const out: Buffer[] = []
  let from = 0
  for (const end of [...cuts, bytes.length]) {
    const piece = Buffer.from(bytes.subarray(from, end))
    out.push(rewriter.push(piece))
    piece.fill(0)
    from = end
  }
  out.push(rewriter.end())
  return { text: Buffer.concat(out).toString(), fault: rewriter.fault }
}

/** The same, and cut at every byte, and into single bytes. */
function everyWay(rule: DocumentRule, text: string): Rewritten {
  const whole = rewrite(rule, text)
  const { length } = Buffer.from(text)
  for (let cut = 1; cut < length; cut++) {
    const { text: shown } = rewrite(rule, text, [cut])
    if (shown !== whole.text) throw new Error(`cut at ${cut}: ${shown}`)
  }
  const bytes = rewrite(
    rule,
    text,
    Array.from({ length }, (_, i) => i),
  )
  if (bytes.text !== whole.text || bytes.fault !== whole.fault) throw new Error(`byte by byte: ${bytes.text}`)
  return whole
}

t.test('a page of a simple index in HTML (PEP 503)', async (t) => {
  const page = (links: readonly string[]): string =>
    `<!DOCTYPE html>\n<html><head><title><a href="${OLD}no"></title><meta name="pypi:repository-version" content="1.1"></head>\n<body>\n<!-- <a href="${OLD}no"> > -->${links.join('<br/>\n')}\n</body></html>\n`
  const links: [string, string][] = [
    [`<a href="${OLD}a-1.0.whl#sha256=abc">a</a>`, `<a href="${NEW}a-1.0.whl#sha256=abc">a</a>`],
    [
      `<a data-requires-python="&gt;=3.8" href='${OLD}a.tar.gz' data-core-metadata="sha256=x">ü</a>`,
      `<a data-requires-python="&gt;=3.8" href='${NEW}a.tar.gz' data-core-metadata="sha256=x">ü</a>`,
    ],
    [`<A HREF = ${OLD}b.whl class=x>b</A>`, `<A HREF = "${NEW}b.whl" class=x>b</A>`],
    [`<a\n href="\n${OLD}c?a=1&amp;b=2 ">c</a>`, `<a\n href="${NEW}c?a=1&amp;b=2">c</a>`],
    ['<a href="/pkg/packages/d.whl#sha256=1">d</a>', '<a href="/base/r/packages/d.whl#sha256=1">d</a>'],
    ['<a href="../../packages/e.whl">e</a>', '<a href="../../packages/e.whl">e</a>'],
    ['<a href="https://files.example.com/packages/f.whl#x">f</a>', `<a href="${FILES}f.whl#x">f</a>`],
    ['<a href="//files.example.com/packages/f.whl">f</a>', `<a href="${FILES}f.whl">f</a>`],
    [
      '<a href="https://elsewhere.example.com/g.whl">g</a>',
      '<a href="https://elsewhere.example.com/g.whl">g</a>',
    ],
    ['<a href="javascript:alert(1)">', '<a href="javascript:alert(1)">'],
    [
      `<a title=">" href="${OLD}h" data-provenance="${OLD}p">h</a>`,
      `<a title=">" href="${NEW}h" data-provenance="${NEW}p">h</a>`,
    ],
    [`<abbr href="${OLD}no"><a name="${OLD}no">`, `<abbr href="${OLD}no"><a name="${OLD}no">`],
    [`<a href="https&#58;//repo.example.com/pkg/i">`, `<a href="${NEW}i">`],
    [`1 < 2 <a/href="${OLD}j"/>`, `1 < 2 <a/href="${NEW}j"/>`],
    ['<a href>x</a><a href="">y</a>', '<a href>x</a><a href="">y</a>'],
    [`<script>"<a href='${OLD}no'>"</script>`, `<script>"<a href='${OLD}no'>"</script>`],
  ]
  t.same(everyWay(pypiHtml, page(links.map(([link]) => link))), {
    text: page(links.map(([, shown]) => shown)),
    fault: null,
  })
})

t.test('a page with a base of its own', async (t) => {
  for (const [base, shownBase, href, shown] of [
    [`${OLD}simple/x/`, `${NEW}simple/x/`, 'a.whl', 'a.whl'],
    [`${OLD}simple/x/`, `${NEW}simple/x/`, '/pkg/a.whl', `${NEW}a.whl`],
    ['https://files.example.com/packages/', FILES, 'a.whl', 'a.whl'],
    ['https://files.example.com/packages/', FILES, '/packages/b.whl', `${FILES}b.whl`],
    ['https://cdn.example.com/', 'https://cdn.example.com/', '/pkg/a.whl', '/pkg/a.whl'],
    ['/pkg/', '/base/r/', '/pkg/a.whl', '/base/r/a.whl'],
  ] as const) {
    const page = (own: string, link: string): string => `<base href="${own}"><a href="${link}">`
    t.equal(everyWay(pypiHtml, page(base, href)).text, page(shownBase, shown), `${href} at ${base}`)
  }
})

t.test('no page makes the reader throw, or loses a byte of it', async (t) => {
  const parts = fc.constantFrom(
    '<',
    '>',
    '<a ',
    'href',
    '=',
    '"',
    "'",
    OLD,
    ' ',
    '<!--',
    '-->',
    '<script>',
    '</script>',
    '/',
    'x',
    '&amp;',
    'ü',
  )
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 30 }), fc.nat(40), (pieces, cut) => {
      const text = pieces.join('').replaceAll(OLD, 'https://elsewhere.example.com/')
      return rewrite(pypiHtml, text, [Math.min(cut, Buffer.byteLength(text))]).text === text
    }),
    { numRuns: 3000 },
  )
  t.equal(rewrite(pypiHtml, `<a href="${'x'.repeat(40_000)}">`, [20_000, 30_000]).text.length, 40_011)
  t.equal(rewrite(pypiHtml, '<a href="x').fault, 'document_malformed')
  t.equal(rewrite(pypiHtml, 'PK\u0003\u0004\u0000').fault, 'document_malformed')
})

t.test('a page of a simple index in JSON (PEP 691), and of the older interface', async (t) => {
  const page = (start: string, files: string): string =>
    JSON.stringify({
      files: [
        {
          filename: 'a.whl',
          url: `${start}a.whl`,
          hashes: { sha256: 'x' },
          'core-metadata': true,
          provenance: `${start}p`,
        },
        { filename: 'b.whl', url: `${files}b.whl`, provenance: null },
      ],
      urls: [{ url: `${start}c.whl` }],
      releases: { '1.0': [{ url: `${start}d.whl` }] },
      info: { home_page: OLD },
    })
  t.equal(everyWay(pypiJson, page(OLD, 'https://files.example.com/packages/')).text, page(NEW, FILES))
  for (const [path, isAsked] of [
    ['/simple/', true],
    ['/simple/left-pad/', true],
    ['/simple/left-pad', true],
    ['/pypi/left-pad/json', true],
    ['/simple/left-pad/index.html', true],
    ['/packages/a-1.0.whl', false],
    ['/packages/a-1.0.whl.metadata', false],
    ['/packages/a-1.0.tar.gz', false],
  ] as const)
    t.equal(pypiHtml.isAskedBy('GET', path), isAsked, path)
  t.equal(pypiHtml.isAskedBy('POST', '/legacy/'), false)
  t.ok(pypiHtml.isOfType('application/vnd.pypi.simple.v1+html'))
  t.ok(pypiJson.isOfType('application/vnd.pypi.simple.v1+json'))
})

t.test('the configuration of a cargo index', async (t) => {
  const config = (value: object, route: Partial<Route> = {}): unknown => {
    const { text, fault } = rewrite(cargoConfig, JSON.stringify(value), [], route)
    return fault ?? JSON.parse(text)
  }
  t.same(config({ dl: `${OLD}api/v1/crates`, api: OLD.slice(0, -1), other: 1 }), {
    dl: `${NEW}api/v1/crates`,
    api: NEW.slice(0, -1),
    other: 1,
    'auth-required': true,
  })
  t.same(config({ dl: 'https://files.example.com/packages/{crate}/{version}/{sha256-checksum}.crate' }), {
    dl: `${FILES}{crate}/{version}/{sha256-checksum}.crate`,
    'auth-required': true,
  })
  t.same(
    config({ dl: 'https://elsewhere.example.com/{crate}' }),
    'document_foreign',
    'the token would go there',
  )
  for (const dl of [
    ' https://elsewhere.example.com/',
    'ht\ttps://elsewhere.example.com/',
    '\n//elsewhere.example.com/',
  ])
    t.same(config({ dl }), 'document_foreign', `${JSON.stringify(dl)}, as cargo reads it`)
  t.same(config({ dl: `${OLD}dl`, api: 'https://elsewhere.example.com' }), {
    dl: `${NEW}dl`,
    'auth-required': true,
  })
  const open = { auth: 'public' } as const
  t.same(config({ dl: 'https://elsewhere.example.com/', api: null }, open), {
    dl: 'https://elsewhere.example.com/',
    api: null,
  })
  t.same(
    config(
      { dl: OLD, 'auth-required': true },
      { ...open, upstream: { ...testRoute(1).upstream, authorization: 'x' } },
    ),
    { dl: NEW },
  )
  t.same(rewrite(cargoConfig, '[]').fault, 'document_malformed')
  t.same(rewrite(cargoConfig, '{'), { text: '{', fault: 'document_malformed' })
  t.same(rewrite(cargoConfig, JSON.stringify({ dl: 'x'.repeat(70_000) })).fault, 'document_too_large')
  t.equal(cargoConfig.isAskedBy('GET', '/config.json'), true)
  t.equal(cargoConfig.isAskedBy('GET', '/co/nf/config'), false)
})

t.test('a batch of Git LFS asks for credentials of the gateway, and shows none of its own', async (t) => {
  const batch = (start: string, isOurs: boolean, header: object): object => ({
    transfer: 'basic',
    objects: [
      {
        oid: 'x',
        size: 1,
        ...(isOurs ? { authenticated: true } : {}),
        actions: { download: { href: `${start}objects/x`, header }, verify: { href: `${start}verify` } },
      },
      { oid: 'y', size: 1, error: { code: 404, message: 'no' } },
    ],
  })
  const upstream = { ...testRoute(1).upstream, authorization: 'Basic abc' }
  const shown = (value: object, route: Partial<Route> = {}): unknown =>
    JSON.parse(rewrite(lfsBatch, JSON.stringify(value), [], route).text)
  t.same(
    shown(batch(OLD, true, { Authorization: 'Basic abc', 'X-A': 'b' })),
    batch(NEW, false, { 'X-A': 'b' }),
  )
  const stranger = batch('https://blobs.example.com/', true, { authorization: 'Bearer presigned' })
  t.same(shown(stranger), stranger)
  t.same(
    shown(batch('https://blobs.example.com/', true, { Authorization: 'Basic abc' }), { upstream }),
    batch('https://blobs.example.com/', true, {}),
    'a server gives back what it was asked with',
  )
  const fromFile = { upstream: { ...upstream, authorization: null, hasLogin: true } }
  t.same(
    shown(batch('https://blobs.example.com/', true, { Authorization: 'Basic from-file' }), fromFile),
    batch('https://blobs.example.com/', true, {}),
  )
  t.same(
    shown(batch(OLD, true, { Authorization: 'RemoteAuth x' }), { auth: 'public' }),
    batch(NEW, false, { Authorization: 'RemoteAuth x' }),
  )
  t.same(shown({ objects: 7 }), { objects: 7 })
  t.equal(lfsBatch.isAskedBy('POST', '/group/repo.git/info/lfs/objects/batch'), true)
  t.equal(lfsBatch.isAskedBy('GET', '/group/repo.git/info/lfs/objects/batch'), false)
})

t.test("Helm's index, as Helm and others write it", async (t) => {
  const index = (start: string, files: string): string => `apiVersion: v1
entries:
  alpine:
  - apiVersion: v1
    description: |
      urls:
      - ${OLD}not-this
    home: ${OLD}not-this
    sources:
    - ${OLD}not-this
    urls:
    - ${start}charts/alpine-0.2.0.tgz
    - charts/alpine-0.2.0.tgz # relative
    - "${start}charts/quoted.tgz" # ${OLD}
    - '${files}single.tgz'
    - https://elsewhere.example.com/x.tgz

    # a comment
    - ${start}after-a-comment.tgz # why
    version: 0.2.0
  - urls:
      - ${start}deeper.tgz
    name: x
  nginx:
    - annotations: >-
        urls:
          - ${OLD}not-this
      urls: ["${start}a.tgz", ${start}b.tgz, 'c.tgz']
      keywords:
      - ${OLD}not-this
generated: "2026-03-03T10:00:00Z"\r
urls:\r
- ${start}windows.tgz\r
- ${start}no-end-of-line`
  const { text, fault } = everyWay(helmIndex, index(OLD, 'https://files.example.com/packages/'))
  t.equal(text, index(NEW, FILES))
  t.equal(fault, null)
})

t.test("Helm's index in JSON, and what is no index", async (t) => {
  const index = (start: string): string =>
    JSON.stringify({ entries: { a: [{ urls: [`${start}a.tgz`], home: OLD }] } })
  t.equal(everyWay(helmIndex, ` \n${index(OLD)}`).text, ` \n${index(NEW)}`)
  for (const text of ['<html>', '', ' \n', '\u0000', '{"entries":{'])
    t.equal(rewrite(helmIndex, text).fault, 'document_malformed', JSON.stringify(text))
  const long = `urls:\n- ${OLD}${'x'.repeat(40_000)}\n- ${OLD}a\n`
  t.equal(
    rewrite(helmIndex, long, [30_000, 35_000]).text,
    long.replace(`${OLD}a`, `${NEW}a`),
    'too long a line stays',
  )
})

t.test('no lines make the reader throw, or lose a byte', async (t) => {
  const parts = fc.constantFrom(
    'urls:',
    '- ',
    ' ',
    '\n',
    '\r',
    '"',
    "'",
    '[',
    ']',
    ',',
    '#',
    '|',
    '>',
    ':',
    'x',
    '\\',
    'ü',
    '- "',
  )
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 30 }), fc.nat(40), (pieces, cut) => {
      const text = `a${pieces.join('')}`
      return rewrite(helmIndex, text, [Math.min(cut, Buffer.byteLength(text))]).text === text
    }),
    { numRuns: 3000 },
  )
  t.pass()
})
