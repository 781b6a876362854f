import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { purlOf } from '../model/artifact/purl.ts'
import { ROUTE_KINDS, type RouteKind } from '../model/route.ts'
import { corpusOf, layoutRows, type CorpusRow } from '../test/corpus.ts'
import { projectFolder } from '../version.ts'
import { ECOSYSTEMS } from './kinds.ts'

const files = readdirSync(join(projectFolder(), 'src/artifacts/corpus')).filter(
  (file) => file.endsWith('.tsv') && file !== 'layouts.tsv',
)

t.test('every file of the corpus is of a kind of route', async (t) => {
  for (const file of files) t.ok(isKind(file.slice(0, -'.tsv'.length)), file)
})

for (const file of files) {
  const kind = file.slice(0, -'.tsv'.length)
  if (isKind(kind)) t.test(`${kind}: every row of the corpus is identified`, async (t) => check(t, kind))
}

t.test('a repository manager in front is no part of a name', async (t) => {
  for (const row of layoutRows()) {
    const { found, purl } = identified(row.routeKind, row)
    const wanted = row.isHeuristic && purl === '' ? '' : row.purl
    const { method, path, query } = row.request
    t.same([found, purl], [row.kind, wanted], `layouts.tsv:${row.line} ${method} ${path}${query}`)
  }
})

function check(t: Test, kind: RouteKind): void {
  const rows = corpusOf(kind)
  let right = 0
  for (const row of rows) {
    const { found, purl } = identified(kind, row)
    const wanted = row.isHeuristic && purl === '' ? '' : row.purl
    const name = `${kind}.tsv:${row.line} ${row.request.method} ${row.request.path}${row.request.query}`
    if (t.same([found, purl], [row.kind, wanted], name)) right += 1
  }
  t.ok(rows.length > 0, 'there are rows')
  t.comment(`${kind}: ${right} of ${rows.length} rows are right`)
}

function identified(kind: RouteKind, { request }: CorpusRow): { found: string; purl: string } {
  const ecosystem = ECOSYSTEMS[kind]
  const { kind: found, package: id } = ecosystem.identify(request)
  return { found, purl: id === null ? '' : purlOf(ecosystem.purlType, id) }
}

function isKind(name: string): name is RouteKind {
  return ROUTE_KINDS.some((kind) => kind === name)
}
