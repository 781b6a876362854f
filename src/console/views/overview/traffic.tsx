import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { getClasses, type Series } from '../../api/figures.ts'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { useLoaded } from '../../state/load.ts'
import { navigate, withQuery } from '../../state/location.ts'
import { theme, zone } from '../../state/preferences.ts'
import { type Range, searchOf } from '../../words/filter.ts'
import { count, several } from '../../words/format.ts'
import { moment, type Zone } from '../../words/moment.ts'
import { CLASSES, type Stack, stackOf } from '../../words/stack.ts'

const POLL_MS = 15_000
const HEIGHT_PX = 180
const DAY_SECONDS = 86_400
/** Lines of the axes; what is written on them has the colour of soft text. */
const LINE_PX = 1

/** Requests over time by class of their status; what is marked on it is opened as requests. */
export function Traffic({ range }: { readonly range: Range }) {
  const { value, error } = useLoaded(
    `${range.since} ${range.until}`,
    (signal) => getClasses(range, signal),
    POLL_MS,
  ).value
  return (
    <Panel title="Requests over time" hint="Mark a part of it to see its requests.">
      <Failure error={error} />
      {value === null ? <div class="waiting" /> : <Chart series={value} />}
    </Panel>
  )
}

function Chart({ series }: { readonly series: Series }) {
  const stepMs = (series.stepMinutes ?? 1) * 60_000
  const window = { since: new Date(series.since), until: new Date(series.until), stepMs }
  const stack = stackOf(series.points, window)
  const total = CLASSES.reduce((sum, name) => sum + stack.totals[name], 0)
  if (total === 0) return <Empty title="No request in this window." />
  return (
    <div class="traffic">
      <ul class="legend">
        {CLASSES.filter((name) => stack.totals[name] > 0).map((name) => (
          <li key={name}>
            <span class={`swatch class-${name}`} /> {name} <strong>{count(stack.totals[name])}</strong>
          </li>
        ))}
      </ul>
      <Plot
        stack={stack}
        label={`${several(total, 'request')}, ${count(stack.totals['5xx'])} of them failed`}
      />
    </div>
  )
}

/** The drawing. Colours are those of the legend, which the theme decides. */
function Plot({ stack, label }: { readonly stack: Stack; readonly label: string }) {
  const place = useRef<HTMLDivElement>(null)
  const { value: shownZone } = zone
  const { value: shownTheme } = theme
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const plot = new uPlot(optionsOf(element, shownZone), dataOf(stack), element)
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT_PX }))
    resized.observe(element)
    return () => {
      resized.disconnect()
      plot.destroy()
    }
  }, [stack.seconds.length, stack.seconds[0], JSON.stringify(stack.totals), shownZone, shownTheme])
  return <div class="plot" ref={place} role="img" aria-label={label} />
}

/** The highest first: what is drawn later covers what is below it. */
const DRAWN = [...CLASSES].toReversed()

function dataOf({ seconds, tops }: Stack): uPlot.AlignedData {
  return [[...seconds], ...DRAWN.map((name) => [...tops[name]])]
}

function optionsOf(element: HTMLElement, shownZone: Zone): uPlot.Options {
  const style = getComputedStyle(element)
  const colorOf = (name: string): string => {
    const swatch = element.parentElement?.querySelector(`.swatch.class-${name}`) ?? null
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
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { y: false, drag: { x: true, y: false, setScale: false } },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.05)] } },
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
    series: [{}, ...DRAWN.map((name) => columnsOf(name, colorOf(name)))],
    hooks: { setSelect: [openMarked] },
    ...(shownZone === 'utc'
      ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') }
      : {}),
  }
}

/** Columns of a class, from the ground up: those of classes below it are drawn over them. */
function columnsOf(label: string, fill: string): uPlot.Series {
  const series: uPlot.Series = { label, fill, width: 0, points: { show: false } }
  const paths = uPlot.paths.bars?.({ size: [0.86, 60] })
  return paths === undefined ? series : { ...series, paths }
}

/** A moment of the axis: its day, where the steps are days, else its time. */
function labelOf(at: Date, shownZone: Zone, stepSeconds: number): string {
  const text = moment(at, shownZone)
  return stepSeconds >= DAY_SECONDS ? text.slice(5, 10) : text.slice(11, 16)
}

/** Goes to the requests of the part that was marked. */
function openMarked(plot: uPlot): void {
  const { left, width } = plot.select
  if (width < 4) return
  const at = (px: number): string => new Date(plot.posToVal(px, 'x') * 1000).toISOString()
  navigate(withQuery('/requests', searchOf({}, { since: at(left), until: at(left + width) })))
}
