import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { optionsMarkdown } from './commands/config-report.ts'
import { projectFolder } from '../version.ts'

void t.test("README's table of options is what `waybill config show --markdown` prints", async (t) => {
  const readme = readFileSync(join(projectFolder(), 'README.md'), 'utf8')
  const table = /<!-- options:begin -->\n+([^]*?)\n+<!-- options:end -->/.exec(readme)?.[1]
  t.equal(`${table ?? ''}\n`, optionsMarkdown())
})
