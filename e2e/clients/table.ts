import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { projectFolder } from '../harness/product.ts'
import { FEATURES, RESULTS, type ClientResult } from './harness/report.ts'

// Puts the results of the last run into docs/clients.md, between two marks: `make e2e-clients-table`.

const BEGIN = '<!-- results: written by make e2e-clients-table -->'
const END = '<!-- end of results -->'

const parts = readdirSync(RESULTS)
  .filter((name) => name.endsWith('.json'))
  .toSorted()
  .map((name) => JSON.parse(readFileSync(join(RESULTS, name), 'utf8')) as ClientResult)
const results = new Map<string, ClientResult>()
for (const part of parts.toSorted((a, b) => (a.client < b.client ? -1 : 1))) {
  const features = { ...results.get(part.client)?.features, ...part.features }
  results.set(part.client, { ...part, features })
}
const head = ['client', 'version', ...FEATURES]
const rows = [...results.values()].map(({ client, version, features }) =>
  [client, stripVTControlCharacters(version)].concat(FEATURES.map((feature) => features[feature] ?? '–')),
)
const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
const file = join(projectFolder(), 'docs/clients.md')
const text = readFileSync(file, 'utf8')
const [before = '', rest = ''] = text.split(BEGIN)
const [, after = ''] = rest.split(END)
writeFileSync(file, `${before}${BEGIN}\n\n${lines.join('\n')}\n\n${END}${after}`)
process.stdout.write(`${lines.join('\n')}\n`)
