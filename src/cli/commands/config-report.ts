import type { Config } from '../../config/config.ts'
import { OPTION_NAMES, optionEnv, optionRow, type OptionName } from '../../config/options.ts'
import { routeKeys } from '../../config/route-keys.ts'
import type { Route } from '../../model/route.ts'
import { MASK, shownRoute, shownValue } from '../../config/shown-config.ts'
import { valueText } from '../configuration.ts'
import type { RowShape } from '../output/listing.ts'
import { rateText } from '../../model/rate-limit.ts'

/** One line of `config show`. */
export interface OptionLine {
  readonly name: OptionName
  readonly value: string
  readonly source: string
  readonly env: string
}

/** All options of a configuration, in table order. */
export function optionLines(config: Config): OptionLine[] {
  return OPTION_NAMES.map((name) => ({
    name,
    value: valueText(shownValue(config, name)),
    source: config.sources[name],
    env: optionEnv(name),
  }))
}

export const OPTION_SHAPE: RowShape<OptionLine> = {
  toOutput: (line) => ({ ...line }),
  csvColumns: ['name', 'value', 'source', 'env'],
  columns: [
    { title: 'OPTION', cell: (line) => line.name },
    { title: 'VALUE', minWidth: 10, cell: (line) => line.value || '(empty)' },
    { title: 'SOURCE', cell: (line) => line.source },
    { title: 'ENVIRONMENT', dropOrder: 1, cell: (line) => line.env },
  ],
}

export const ROUTE_SHAPE: RowShape<Route> = {
  toOutput: shownRoute,
  csvColumns: ['name', 'kind', 'path', 'host', 'auth'],
  columns: [
    { title: 'ROUTE', cell: (r) => r.name },
    { title: 'KIND', cell: (r) => r.kind },
    { title: 'PATH', cell: (r) => (r.host ?? '') + r.path },
    { title: 'AUTH', cell: (r) => r.auth },
    { title: 'RATE', dropOrder: 2, cell: (r) => rateText(r.rateLimit) },
    { title: 'UPSTREAM', minWidth: 16, cell: upstreamText },
    { title: 'CREDENTIALS', dropOrder: 1, cell: (r) => (r.upstream.authorization === null ? 'none' : MASK) },
  ],
}

/** The documents' table of all options, GitHub-flavoured Markdown; ends in a newline. */
export function optionsMarkdown(): string {
  const lines = OPTION_NAMES.map((name) => {
    const { default: value, form, help, actsOn = 'new workers' } = optionRow(name)
    return [code(name), code(optionEnv(name)), code(valueText(value)), form, help, actsOn]
  })
  return table(['option', 'environment', 'default', 'allowed', 'what it does', 'a change needs'], lines)
}

/** The documents' table of all keys of a route; likewise. */
export function routeKeysMarkdown(): string {
  const lines = routeKeys().map(({ name, default: value, absent, form, help }) => {
    const without = value === null ? (absent ?? '') : code(value)
    return [code(name), without, form, help]
  })
  return table(['key', 'default', 'allowed', 'what it does'], lines)
}

function table(titles: readonly string[], lines: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((text) => text.replaceAll('|', String.raw`\|`)).join(' | ')} |\n`
  return [titles, titles.map(() => '---'), ...lines].map(row).join('')
}

function code(text: string): string {
  return text === '' ? '(empty)' : `\`${text}\``
}

/** Where a route leads; of several addresses all. */
function upstreamText({ upstream: { origin, origins = [origin], path } }: Route): string {
  return origins.map((one) => one + path).join(' ')
}
