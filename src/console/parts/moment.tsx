import { gatewayNow } from '../api/gateway-clock.ts'
import { zone } from '../state/preferences.ts'
import { exactMoment, moment, relative } from '../words/moment.ts'

/** A moment with its date, in the zone that was chosen; exactly, and in UTC, as its title. */
export function Moment({ at }: { readonly at: string | Date | null }) {
  if (at === null) return <span class="soft">–</span>
  const date = new Date(at)
  return (
    <time dateTime={date.toISOString()} title={`${exactMoment(date, zone.value)} (${date.toISOString()})`}>
      {moment(date, zone.value)}
    </time>
  )
}

/** How long ago, or in how long; the moment itself as its title. */
export function Ago({ at }: { readonly at: string | Date | null }) {
  if (at === null) return <span class="soft">never</span>
  const date = new Date(at)
  return (
    <time dateTime={date.toISOString()} title={exactMoment(date, zone.value)}>
      {relative(date, gatewayNow())}
    </time>
  )
}
