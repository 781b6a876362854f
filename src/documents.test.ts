import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { projectFolder } from './version.ts'

const MAX_README_BYTES = 10 * 1024
/** Of prose; tables, code and headings may be longer. */
const MAX_COLUMNS = 110
/** Written by a program. */
const GENERATED = new Set(['docs/bench/results.md'])

const folder = projectFolder()
const documents = [
  ...readdirSync(folder),
  ...readdirSync(join(folder, 'docs'), { recursive: true }).map((name) => `docs/${String(name)}`),
  ...readdirSync(join(folder, 'e2e')).map((name) => `e2e/${name}`),
].filter((name) => name.endsWith('.md'))

function textOf(document: string): string {
  return readFileSync(join(folder, document), 'utf8')
}

interface Link {
  readonly document: string
  /** A path from the project's folder. */
  readonly target: string
  /** A heading of the target; empty for none. */
  readonly anchor: string
}

const links: readonly Link[] = documents.flatMap((document) =>
  [...textOf(document).matchAll(/\]\(([^)#\s]*)(?:#([^)\s]+))?\)/g)]
    .filter(([, path = '']) => !/^[a-z]+:/.test(path))
    .map(([, path = '', anchor = '']) => {
      const target = path === '' ? document : normalize(join(dirname(document), path))
      return { document, target: target.replace(/\/$/, ''), anchor }
    }),
)

/** Names of a document's headings in links, as GitHub makes them. */
function anchorsOf(document: string): string[] {
  return [...textOf(document).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function linkedFrom(document: string): Set<string> {
  return new Set(links.filter((link) => link.document === document).map(({ target }) => target))
}

t.test('what the documents link to is there', (t) => {
  t.ok(links.length > 50, `${links.length} links`)
  t.same(
    links.filter(({ target }) => !existsSync(join(folder, target))),
    [],
    'files',
  )
  t.same(
    links.filter(({ target, anchor }) => anchor !== '' && !anchorsOf(target).includes(anchor)),
    [],
    'headings',
  )
  t.end()
})

t.test('files of the project that the documents name are there', (t) => {
  const named = documents.flatMap((document) =>
    [...textOf(document).matchAll(/`((?:src|e2e|bench|migrations)\/[\w./*-]+)`/g)].map(([, path = '']) => ({
      document,
      // Of a pattern such as src/listener/plain-*.ts the folder.
      path: path.includes('*') ? dirname(path) : path,
    })),
  )
  t.ok(named.length > 20, `${named.length} files`)
  t.same(
    named.filter(({ path }) => !existsSync(join(folder, path))),
    [],
  )
  t.end()
})

t.test('each decision is in the index, under the number of its file', (t) => {
  const decisions = documents.filter((document) => /^docs\/decisions\/\d{4}-[a-z0-9-]+\.md$/.test(document))
  t.ok(decisions.length > 50, `${decisions.length} decisions`)
  const numbers = decisions.map((document) => document.slice('docs/decisions/'.length).slice(0, 4))
  t.equal(new Set(numbers).size, numbers.length, 'no number is taken twice')
  const index = linkedFrom('docs/decisions/README.md')
  t.same(
    decisions.filter((document) => !index.has(document)),
    [],
    'the index has each',
  )
  for (const [i, document] of decisions.entries()) {
    t.match(textOf(document), new RegExp(`^# ${numbers[i]}: .+\n\nDate: \\d{4}-\\d\\d-\\d\\d\n\n`), document)
  }
  t.end()
})

t.test('each decision that a comment cites is there', (t) => {
  const source = readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' })
  const cited = source
    .filter((file) => file.endsWith('.ts') && file !== 'documents.test.ts')
    .flatMap((file) =>
      [...textOf(`src/${file}`).matchAll(/docs\/decisions\/(\w+)/g)].map(([, number = '']) => ({
        file,
        number,
      })),
    )
  t.ok(cited.length > 10, `${cited.length} citations`)
  t.same(
    cited.filter(({ number }) => !documents.some((name) => name.startsWith(`docs/decisions/${number}-`))),
    [],
  )
  t.end()
})

t.test(
  'a rollback is possible: each migration since there is the line says which older programs run with it',
  (t) => {
    // docs/upgrade.md tells what to do for migrations without; none of today's needs it.
    const migrations = readdirSync(join(folder, 'migrations')).filter((name) => name > '0011')
    t.ok(migrations.length > 10, `${migrations.length} migrations`)
    t.same(
      migrations.filter((name) => !/^-- compatible-from: \d{4}$/m.test(textOf(`migrations/${name}`))),
      [],
    )
    t.end()
  },
)

t.test('the README can be read in three minutes', (t) => {
  const bytes = Buffer.byteLength(textOf('README.md'))
  t.ok(bytes <= MAX_README_BYTES, `${bytes} bytes`)
  t.end()
})

t.test('the index of the documents links to each page', (t) => {
  const pages = documents.filter((document) => /^docs\/([a-z0-9-]+|[a-z0-9-]+\/README)\.md$/.test(document))
  t.ok(pages.length > 15, `${pages.length} pages`)
  const index = linkedFrom('docs/README.md')
  t.same(
    pages.filter((document) => !index.has(document)),
    [],
  )
  t.end()
})

t.test('the architecture names each room of the source', (t) => {
  const page = textOf('docs/architecture.md')
  const rooms = readdirSync(join(folder, 'src'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  )
  t.ok(rooms.length > 15, `${rooms.length} rooms`)
  t.same(
    rooms.map(({ name }) => name).filter((name) => !new RegExp(`^\\| .*\`${name}/\``, 'm').test(page)),
    [],
  )
  t.end()
})

t.test(`prose has lines of at most ${MAX_COLUMNS} characters`, (t) => {
  let lines = 0
  const long: string[] = []
  for (const document of documents.filter((name) => !GENERATED.has(name))) {
    for (const { line, number } of proseOf(document)) {
      lines++
      if (line.length > MAX_COLUMNS) long.push(`${document}:${number}`)
    }
  }
  t.ok(lines > 1000, `${lines} lines`)
  t.same(long, [])
  t.end()
})

/** The lines of a document that are no table, code, heading or picture. */
function proseOf(document: string): { line: string; number: number }[] {
  let isCode = false
  return textOf(document)
    .split('\n')
    .map((line, i) => ({ line, number: i + 1 }))
    .filter(({ line }) => {
      const isFence = line.trimStart().startsWith('```')
      if (isFence) isCode = !isCode
      return !isFence && !isCode && !/^ *(\||#|!\[|<!--)/.test(line)
    })
}
