import { parser } from '@prometheus-io/lezer-promql'

/** One choice of series in a PromQL expression. */
export interface Selector {
  readonly name: string
  /** By label: the text that the matcher compares with, whatever the operator. */
  readonly matchers: ReadonlyMap<string, string>
}

/** What a PromQL expression reads, and the labels that it groups or joins by. */
export interface Query {
  readonly selectors: readonly Selector[]
  readonly grouping: readonly string[]
}

/** Grafana's variables that stand where PromQL has a duration. */
const DURATIONS = /\$__rate_interval|\$__interval|\$__range/g

/**
 * Reads an expression with the grammar of Prometheus' own editor; Grafana's variables may be in it. Throws with the place where it
 * is no PromQL.
 */
export function parseQuery(expression: string): Query {
  const text = expression.replaceAll(DURATIONS, '5m')
  const selectors: { name: string; matchers: Map<string, string> }[] = []
  const grouping: string[] = []
  let isGrouping = false
  let label = ''
  parser.parse(text).iterate({
    enter: ({ name, type, from, to }) => {
      const part = text.slice(from, to)
      if (type.isError) throw new SyntaxError(`no PromQL at ${from}: ${text}`)
      if (name === 'VectorSelector') selectors.push({ name: '', matchers: new Map() })
      const selector = selectors.at(-1)
      if (name === 'Identifier' && selector?.name === '') selector.name = part
      if (name === 'GroupingLabels') isGrouping = true
      if (name === 'LabelName' && isGrouping) grouping.push(part)
      else if (name === 'LabelName') label = part
      if (name === 'StringLiteral' && label !== '') {
        selector?.matchers.set(label, part.slice(1, -1))
        label = ''
      }
    },
    leave: ({ name }) => {
      if (name === 'GroupingLabels') isGrouping = false
    },
  })
  return { selectors, grouping }
}
