import { gatewayNow } from '../api/gateway-clock.ts'
import { zone } from '../state/preferences.ts'
import { setQuery } from '../state/location.ts'
import { boundsOf, type Range } from '../words/filter.ts'
import { fromField, moment, toField, zoneName } from '../words/moment.ts'
import { fieldsOf } from './form.ts'
import { Icon } from './icon.tsx'
import { Menu } from './menu.tsx'

const PRESETS = [
  ['15m', 'Last 15 minutes'],
  ['1h', 'Last hour'],
  ['6h', 'Last 6 hours'],
  ['24h', 'Last 24 hours'],
  ['7d', 'Last 7 days'],
  ['30d', 'Last 30 days'],
] as const

/** What a window is called. */
function rangeWords(range: Range): string {
  const preset = PRESETS.find(([since]) => since === range.since && range.until === '')
  if (preset !== undefined) return preset[1]
  const { from, to } = boundsOf(range, gatewayNow())
  const end = range.until === '' ? 'now' : moment(to, zone.value)
  return `${moment(from, zone.value)} – ${end}`
}

/** Chooses the window of a view: it stands in the address as `since` and `until`. */
export function RangePicker({ range }: { readonly range: Range }) {
  return (
    <Menu
      label={
        <>
          <Icon name="clock" /> {rangeWords(range)}
        </>
      }
      className="end range-picker"
    >
      {(close) => <RangeForm range={range} close={close} />}
    </Menu>
  )
}

function RangeForm({ range, close }: { readonly range: Range; readonly close: () => void }) {
  const { from, to } = boundsOf(range, gatewayNow())
  const choose = (since: string, until: string): void => {
    setQuery({ since, until: until === '' ? null : until })
    close()
  }
  const submit = (event: SubmitEvent): void => {
    const field = fieldsOf(event)
    const since = fromField(field('since'), zone.value)
    const until = fromField(field('until'), zone.value)
    if (since !== null) choose(since.toISOString(), until?.toISOString() ?? '')
  }
  return (
    <div class="range-form">
      <ul class="choices">
        {PRESETS.map(([since, name]) => (
          <li key={since}>
            <button
              type="button"
              class="choice"
              aria-pressed={since === range.since && range.until === ''}
              onClick={() => choose(since, '')}
            >
              {name}
            </button>
          </li>
        ))}
      </ul>
      <form onSubmit={submit}>
        <label>
          From{' '}
          <input type="datetime-local" step="1" name="since" value={toField(from, zone.value)} required />
        </label>
        <label>
          To{' '}
          <input
            type="datetime-local"
            step="1"
            name="until"
            value={range.until === '' ? '' : toField(to, zone.value)}
          />
        </label>
        <p class="hint">In {zoneName(gatewayNow(), zone.value)}. Empty means now.</p>
        <button class="button primary">Apply</button>
      </form>
    </div>
  )
}
