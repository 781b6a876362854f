import { useId } from 'preact/hooks'
import type { Entry } from '../../api/entries.ts'
import { zone } from '../../state/preferences.ts'
import { duration } from '../../words/format.ts'
import { barOf, phasesOf } from '../../words/life.ts'
import { dateAndTime } from '../../words/moment.ts'

/** A request's life on one axis: its phases, and the moments at which it began and ended. */
export function Timeline({ entry }: { readonly entry: Entry }) {
  const id = useId()
  const all = Number(entry.duration_us) / 1000
  const start = new Date(entry.started_at)
  const time = (at: Date): string => dateAndTime(at, zone.value)[1]
  return (
    <section class="timeline" aria-labelledby={id}>
      <h3 id={id}>Its life, {duration(all)}</h3>
      <ol>
        {phasesOf(entry).map(({ name, kind, fromMs, toMs }) => {
          const { left, width } = barOf(fromMs, toMs, all)
          return (
            <li key={name}>
              <span>{name}</span> <span class="n">{duration(toMs - fromMs)}</span>
              <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false">
                <rect class="meter-track" width="100" height="6" />
                <rect class={`phase-${kind}`} x={left} width={width} height="6" />
              </svg>
            </li>
          )
        })}
      </ol>
      <p class="axis">
        <span>{time(start)}</span>
        <span>{time(new Date(start.getTime() + all))}</span>
      </p>
    </section>
  )
}
