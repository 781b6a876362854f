import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { theme, zone } from '../state/preferences.ts'
import { count } from '../words/format.ts'
import { moment, type Zone } from '../words/moment.ts'

const DAY_SECONDS = 86_400
const MINUTE_SECONDS = 60
/** Lines of the axes; what is written on them has the colour of soft text. */
const LINE_PX = 1
/** Less than that is a click. */
const MIN_MARK_PX = 4

/** A layer of a stack: how high it reaches in each column, upon those below it. */
export interface Layer {
  /** Of the swatch in the legend, whose colour it has. */
  readonly name: string
  readonly tops: readonly number[]
}

interface StackPlotProps {
  /** At which each column begins. */
  readonly seconds: readonly number[]
  readonly stepMs: number
  /** From the ground up. */
  readonly layers: readonly Layer[]
  /** A line over them, such as what was before. */
  readonly line?: Layer
  /** What is drawn, in words. */
  readonly label: string
  readonly heightPx: number
  /** Called with the whole columns that were marked. */
  readonly onMark: (since: Date, until: Date) => void
}

/** Columns over time that are stacked. Beside it in its parent is a legend, which the theme colours: it takes the colours from there. */
export function StackPlot(props: StackPlotProps) {
  const { seconds, layers, line, label, heightPx } = props
  const place = useRef<HTMLDivElement>(null)
  const newest = useRef(props)
  newest.current = props
  const { value: shownZone } = zone
  const { value: shownTheme } = theme
  const drawn = JSON.stringify([seconds.length, seconds[0], props.stepMs, layers, line])
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const plot = new uPlot(optionsOf(element, newest, shownZone), dataOf(newest.current), element)
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: heightPx }))
    resized.observe(element)
    return () => {
      resized.disconnect()
      plot.destroy()
    }
  }, [drawn, shownZone, shownTheme, heightPx])
  return <div class="plot" ref={place} role="img" aria-label={label} />
}

/** The highest first: what is drawn later covers what is below it. */
function dataOf({ seconds, layers, line }: StackPlotProps): uPlot.AlignedData {
  const drawn = [...layers.toReversed(), ...(line === undefined ? [] : [line])]
  return [[...seconds], ...drawn.map(({ tops }) => seconds.map((_, i) => tops[i] ?? 0))]
}

function optionsOf(
  element: HTMLElement,
  newest: { readonly current: StackPlotProps },
  shownZone: Zone,
): uPlot.Options {
  const { layers, line, heightPx, stepMs } = newest.current
  const style = getComputedStyle(element)
  const colorOf = (name: string): string => {
    const swatch = element.parentElement?.querySelector(`.swatch.${name}`) ?? null
    return swatch === null ? 'transparent' : getComputedStyle(swatch).backgroundColor
  }
  const axis = {
    stroke: style.color,
    grid: { stroke: style.borderColor, width: LINE_PX },
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
  }
  return {
    width: element.clientWidth,
    height: heightPx,
    legend: { show: false },
    cursor: { y: false, drag: { x: true, y: false, setScale: false } },
    scales: {
      // To the end of the last column, which begins at the last moment.
      x: { range: (_plot, min, max) => [min, max + stepMs / 1000] },
      y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.05)] },
    },
    axes: [
      {
        ...axis,
        size: 26,
        values: (_plot, splits, _axis, _space, step) =>
          splits.map((seconds) => labelOf(new Date(seconds * 1000), shownZone, step)),
      },
      {
        ...axis,
        size: 48,
        values: (_plot, splits) => splits.map((n) => (Number.isInteger(n) ? count(n) : '')),
      },
    ],
    series: [
      {},
      ...layers.toReversed().map(({ name }) => columnsOf(name, colorOf(name))),
      ...(line === undefined ? [] : [lineOf(line.name, colorOf(line.name))]),
    ],
    hooks: { setSelect: [(plot) => tellMarked(plot, newest.current)] },
    ...(shownZone === 'utc'
      ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') }
      : {}),
  }
}

/** Columns of a layer, from the ground up: those of layers below it are drawn over them. */
function columnsOf(label: string, fill: string): uPlot.Series {
  const series: uPlot.Series = { label, fill, width: 0, points: { show: false } }
  const paths = uPlot.paths.bars?.({ size: [0.86, 60], align: 1 })
  return paths === undefined ? series : { ...series, paths }
}

/** A line from the beginning of each column to its end. */
function lineOf(label: string, stroke: string): uPlot.Series {
  const series: uPlot.Series = { label, stroke, width: 1.5, dash: [4, 3], points: { show: false } }
  const paths = uPlot.paths.stepped?.({ align: 1 })
  return paths === undefined ? series : { ...series, paths }
}

/** A moment of the axis: its day, where the steps are days, else its time. */
function labelOf(at: Date, shownZone: Zone, stepSeconds: number): string {
  const text = moment(at, shownZone)
  if (stepSeconds >= DAY_SECONDS) return text.slice(5, 10)
  return stepSeconds < MINUTE_SECONDS ? text.slice(11, 19) : text.slice(11, 16)
}

function tellMarked(plot: uPlot, { seconds, stepMs, onMark }: StackPlotProps): void {
  const { left, width } = plot.select
  if (width < MIN_MARK_PX) return
  const columnAt = (px: number): number => {
    const ms = plot.posToVal(px, 'x') * 1000
    return Math.max(
      0,
      seconds.findLastIndex((second) => second * 1000 <= ms),
    )
  }
  const since = (seconds[columnAt(left)] ?? 0) * 1000
  const until = (seconds[columnAt(left + width)] ?? 0) * 1000 + stepMs
  onMark(new Date(since), new Date(until))
}
