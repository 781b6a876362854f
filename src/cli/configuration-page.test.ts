import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { optionsMarkdown, routeKeysMarkdown } from './commands/config-report.ts'
import { projectFolder } from '../version.ts'

const PAGE = join(projectFolder(), 'docs/configuration.md')
const TABLES = { options: optionsMarkdown(), 'route-keys': routeKeysMarkdown() }

/** A page with these tables between their markers. */
function withTables(page: string): string {
  let text = page
  for (const [name, table] of Object.entries(TABLES)) {
    const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
    t.equal(text.split(begin).length, 2, `one place for ${name}`)
    t.equal(text.split(end).length, 2, `one end of it`)
    text = `${text.slice(0, text.indexOf(begin))}${begin}\n\n${table}\n${text.slice(text.indexOf(end))}`
  }
  return text
}

// After a wanted change: WAYBILL_UPDATE_SNAPSHOT=1 node dist/cli/configuration-page.test.js, and read the difference.
t.test('docs/configuration.md has the tables that `waybill config show --markdown` prints', async (t) => {
  const page = readFileSync(PAGE, 'utf8')
  const wanted = withTables(page)
  if (process.env['WAYBILL_UPDATE_SNAPSHOT'] === '1') writeFileSync(PAGE, wanted)
  t.equal(readFileSync(PAGE, 'utf8'), wanted)
})
