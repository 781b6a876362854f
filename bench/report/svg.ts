/** One bar: a label and the values that are stacked in it, or stand beside each other. */
export interface Bar {
  readonly label: string
  readonly values: readonly number[]
}

export interface BarPlot {
  readonly title: string
  readonly subtitle: string
  /** Names of the values of each bar. */
  readonly series: readonly string[]
  readonly bars: readonly Bar[]
  readonly digits: number
  /** Values add up; otherwise each has a line of its own. */
  readonly isStacked: boolean
  /** Bars whose label begins so are printed bold. */
  readonly emphasis: string
}

const WIDTH = 760
const LABEL_WIDTH = 190
const VALUE_WIDTH = 70
const LINE = 16
const GAP = 6
const TOP = 64
const COLOURS = ['#2b6cb0', '#90cdf4', '#c05621', '#718096']

/** A plot of horizontal bars as SVG, legible on light and dark pages. */
export function barPlot(plot: BarPlot): string {
  const { bars, series, isStacked } = plot
  const reach = (values: readonly number[]): number =>
    isStacked ? values.reduce((sum, value) => sum + value, 0) : Math.max(0, ...values)
  const largest = Math.max(...bars.map(({ values }) => reach(values)), Number.MIN_VALUE)
  const scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / largest
  const lines = isStacked ? 1 : series.length
  const height = TOP + bars.length * (lines * LINE + GAP) + GAP
  const body = bars.map((bar, i) => barOf(plot, bar, { y: TOP + i * (lines * LINE + GAP), scale }))
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="12" y="22" font-size="15" font-weight="600">${escaped(plot.title)}</text>
<text x="12" y="40" fill="#4a5568">${escaped(plot.subtitle)}</text>
${legend(series)}
${body.join('\n')}
</svg>
`
}

function barOf({ isStacked, digits, emphasis }: BarPlot, bar: Bar, at: { y: number; scale: number }): string {
  const lines = isStacked ? 1 : bar.values.length
  const weight = bar.label.startsWith(emphasis) ? ' font-weight="700"' : ''
  const middle = at.y + (lines * LINE) / 2 + 4
  const parts = [
    `<text x="${LABEL_WIDTH - 8}" y="${middle}" text-anchor="end"${weight}>${escaped(bar.label)}</text>`,
  ]
  let x = LABEL_WIDTH
  for (const [i, value] of bar.values.entries()) {
    const width = value * at.scale
    const y = at.y + (isStacked ? 0 : i * LINE)
    parts.push(
      `<rect x="${x.toFixed(1)}" y="${y + 1}" width="${width.toFixed(1)}" height="${LINE - 2}" fill="${COLOURS[i % COLOURS.length]}"/>`,
    )
    if (isStacked) x += width
    else parts.push(valueText(LABEL_WIDTH + width, y, value.toFixed(digits)))
  }
  if (isStacked)
    parts.push(valueText(x, at.y, bar.values.reduce((sum, value) => sum + value, 0).toFixed(digits)))
  return parts.join('')
}

function valueText(x: number, y: number, text: string): string {
  return `<text x="${(x + 5).toFixed(1)}" y="${y + 12}" fill="#4a5568">${text}</text>`
}

function legend(series: readonly string[]): string {
  if (series.length < 2) return ''
  return series
    .map((name, i) => {
      const x = LABEL_WIDTH + i * 110
      return `<rect x="${x}" y="47" width="10" height="10" fill="${COLOURS[i % COLOURS.length]}"/><text x="${x + 15}" y="56">${escaped(name)}</text>`
    })
    .join('')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
