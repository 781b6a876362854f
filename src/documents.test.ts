import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { projectFolder } from './version.ts'

void t.test('what the documents link to is there', (t) => {
  const folder = projectFolder()
  const below = readdirSync(join(folder, 'docs'), { recursive: true }).map((name) => `docs/${String(name)}`)
  const documents = [...readdirSync(folder), ...below].filter((name) => name.endsWith('.md'))
  const links = documents.flatMap((document) => {
    const text = readFileSync(join(folder, document), 'utf8')
    return [...text.matchAll(/\]\(([^)#\s]+)[^)\s]*\)/g)].map(([, target = '']) => ({ document, target }))
  })
  const relative = links.filter(({ target }) => !/^[a-z]+:/.test(target))
  t.ok(relative.length > 50, `${relative.length} links`)
  t.same(
    relative.filter(({ document, target }) => !existsSync(join(folder, dirname(document), target))),
    [],
  )
  t.end()
})
