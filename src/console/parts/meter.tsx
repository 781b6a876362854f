/** A bar on a track, by its class. */
export interface TrackBar {
  readonly name: string
  /** Percent of the track, as `width`. */
  readonly left?: number
  readonly width: number
}

/** Bars on a track, the last on top. Style gives its height; words beside it say what it shows. */
export function Track({ name, bars }: { readonly name?: string; readonly bars: readonly TrackBar[] }) {
  return (
    <svg class={name} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      <rect class="meter-track" width="100" height="6" />
      {bars.map((bar) => (
        <rect class={bar.name} key={bar.name} x={bar.left} width={bar.width} height="6" />
      ))}
    </svg>
  )
}

/** A part of a whole as a bar, beside the figure that says it. */
export function Meter({
  part,
  whole,
  tone = '',
}: {
  readonly part: number
  readonly whole: number
  readonly tone?: string
}) {
  const share = whole <= 0 ? 0 : Math.min(100, (part / whole) * 100)
  return <Track name={`meter ${tone}`} bars={[{ name: 'meter-fill', width: share }]} />
}

/** A row of figures as a line, without axes: the figure beside it says the last one. */
export function Spark({ values, label }: { readonly values: readonly number[]; readonly label: string }) {
  const most = Math.max(1e-9, ...values)
  const step = 100 / Math.max(1, values.length - 1)
  const points = values.map((value, i) => `${(i * step).toFixed(2)},${(23 - (value / most) * 21).toFixed(2)}`)
  const line = points.join(' ')
  return (
    <svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label={label}>
      {values.length < 2 ? null : (
        <>
          <polygon points={`0,24 ${line} 100,24`} />
          <polyline points={line} />
        </>
      )}
    </svg>
  )
}
