import fc from 'fast-check'
import t from 'tap'
import type { Identity } from '../../model/artifact/identity.ts'
import { purlOf } from '../../model/artifact/purl.ts'
import { ROUTE_KINDS, type RouteKind } from '../../model/route.ts'
import { corpusOf } from '../../test/corpus.ts'
import { identify } from '../identify.ts'
import { ECOSYSTEMS } from '../kinds.ts'

const ORIGIN = 'upstream.example:8443'
/** What the rules of some kind look for, and what they stumble over. */
const PIECES =
  '/ // /- /-/ @ /@ %2f %2F %40 %25 %00 %0a %c3 %e2%80%a6 %ED%A0%80 % . .. /../ /./ - _ + ~ ! !a : ; , = & ? # * a Z 0 1.2.3 v1.0.0 -1.0 -rc.1 sha256: latest'
    .split(' ')
    .concat(
      '/@v/ /@latest /sumdb/ /lookup/ .zip .mod .info list .tgz .whl .metadata .tar.gz .crate .jar .pom .deb .dsc /download'.split(
        ' ',
      ),
      '/simple/ /pypi/ /json /packages/ /api/charts/ /v1/crates/ /v2/ /manifests/ /blobs/ /tags/list /uploads/ /referrers/'.split(
        ' ',
      ),
      '/pool/ /dists/ /by-hash/ .git/ /info/refs /info/lfs/objects/ /archive/ /releases/ -SNAPSHOT /maven-metadata.xml'.split(
        ' ',
      ),
      [' ', '\t', '\0', '\u0085', '\ud800', '\udfff', '\u{1f4e6}', '\u0661', 'é', '/~/', '…+12'],
    )

const METHODS = fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PROPFIND', '')
const PATHS = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((pieces) => `/${pieces.join('')}`),
  fc
    .tuple(fc.constantFrom(...PIECES), fc.constantFrom(...PIECES), fc.integer({ min: 1, max: 65_536 }))
    .map(([unit, end, length]) => `/${unit.repeat(Math.ceil(length / unit.length))}`.slice(0, length) + end),
  fc.string({ unit: 'binary', maxLength: 200 }).map((text) => `/${text}`),
)

for (const kind of ROUTE_KINDS) {
  t.test(`${kind}: no path throws, or is about what is no name`, async (t) => {
    const property = fc.property(METHODS, PATHS, (method, target) => {
      const found = identify({ kind, upstream: { origin: `https://${ORIGIN}` } }, method, target)
      assertSound(kind, found, target.length + ORIGIN.length + 1)
    })
    fc.assert(property, { numRuns: 500 })
    t.pass()
  })
}

/** Throws for texts that cannot be stored or printed, that were made longer, or make a package URL that does not read back. */
function assertSound(kind: RouteKind, identity: Identity, maxLength: number): void {
  const { package: found, file } = identity
  const texts = [file, ...(found === null ? [] : [found.name, found.version])]
  for (const text of texts) {
    if (/\p{Cc}|\p{Surrogate}/u.test(text)) throw new Error(`${JSON.stringify(text)} is no text`)
    if (text.length > maxLength) throw new Error(`${text.length} characters of ${maxLength}`)
  }
  if (found === null) return
  const purl = purlOf(ECOSYSTEMS[kind].purlType, found)
  const read = readPurl(purl)
  if (read.name !== found.name || read.version !== found.version || read.qualifiers !== found.qualifiers)
    throw new Error(`${purl} is not of ${JSON.stringify(found)}`)
}

/** By the specification's "How to parse a purl string", strictly; without subpaths, which none here has. */
function readPurl(purl: string): { name: string; version: string; qualifiers: string } {
  const [, path = '', version = '', qualifiers = ''] =
    /^pkg:[a-z]+\/([^@?#]+)(?:@([^@?#/]+))?(?:\?([^?#]+))?$/.exec(purl) ?? []
  const segments = path.split('/')
  if (segments.some((segment) => segment === '' || /^\.\.?$/.test(segment)))
    throw new Error(`${purl} is none`)
  return {
    name: segments.map((segment) => decodeURIComponent(segment)).join('/'),
    version: decodeURIComponent(version),
    qualifiers,
  }
}

/** In these an escaped slash is a slash, as clients write the same name in both ways. */
const SLASHES_ARE_ONE: ReadonlySet<string> = new Set(['npm', 'pypi', 'cargo', 'go', 'helm'])

for (const kind of ROUTE_KINDS) {
  if (kind === 'integration') continue
  t.test(`${kind}: a path means the same in every spelling of its escapes`, async (t) => {
    for (const { request } of corpusOf(kind)) {
      const { path } = request
      const told = ECOSYSTEMS[kind].identify(request)
      const spellings = [
        path.replaceAll(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase()),
        path.replaceAll(/%[0-9a-f]{2}/gi, (escape) => escape.toLowerCase()),
        path.replaceAll(/%[0-9a-f]{2}|[a-z.~_-]/gi, (text) => (text.length > 1 ? text : escaped(text))),
      ]
      if (SLASHES_ARE_ONE.has(kind)) {
        spellings.push(path[0] + path.slice(1).replaceAll('/', '%2f'))
        spellings.push(path[0] + path.slice(1).replaceAll(/\/|%2f/gi, '%2F'))
        spellings.push(path.replaceAll(/%2f/gi, '/'))
      }
      for (const spelling of spellings) {
        const { kind: found, package: id } = ECOSYSTEMS[kind].identify({ ...request, path: spelling })
        t.same([found, id], [told.kind, told.package], spelling)
      }
    }
  })
}

function escaped(char: string): string {
  return `%${char.charCodeAt(0).toString(16)}`
}
