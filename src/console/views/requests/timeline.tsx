import { useId } from 'preact/hooks'
import type { Entry } from '../../api/entries.ts'
import { Track } from '../../parts/meter.tsx'
import { zone } from '../../state/preferences.ts'
import { duration } from '../../words/format.ts'
import { barOf, phasesOf } from '../../words/life.ts'
import { exactTime } from '../../words/moment.ts'

/** A request's life on one axis: its phases, and the moments at which it began and ended. */
export function Timeline({ entry }: { readonly entry: Entry }) {
  const id = useId()
  const all = Number(entry.duration_us) / 1000
  const start = new Date(entry.started_at)
  return (
    <section class="timeline" aria-labelledby={id}>
      <h3 id={id}>Its life, {duration(all)}</h3>
      <ol>
        {phasesOf(entry).map(({ name, kind, fromMs, toMs }) => {
          const { left, width } = barOf(fromMs, toMs, all)
          return (
            <li key={name}>
              <span>{name}</span> <span class="n">{duration(toMs - fromMs)}</span>
              <Track bars={[{ name: `phase-${kind}`, left, width }]} />
            </li>
          )
        })}
      </ol>
      <p class="axis">
        <span>{exactTime(start, zone.value)}</span>
        <span>{exactTime(new Date(start.getTime() + all), zone.value)}</span>
      </p>
    </section>
  )
}
