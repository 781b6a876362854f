import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { optionsMarkdown, routeKeysMarkdown } from './commands/config-report.ts'
import { projectFolder } from '../version.ts'

const page = readFileSync(join(projectFolder(), 'docs/configuration.md'), 'utf8')

/** What stands between a pair of markers. */
function between(name: string): string {
  const [, text = ''] = new RegExp(`<!-- ${name}:begin -->\n+([^]*?)\n+<!-- ${name}:end -->`).exec(page) ?? []
  return `${text}\n`
}

void t.test(
  'docs/configuration.md has the tables that `waybill config show --markdown` prints',
  async (t) => {
    t.equal(between('options'), optionsMarkdown())
    t.equal(between('route-keys'), routeKeysMarkdown())
  },
)
