import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { messageOf } from '../../api/client.ts'
import { type Completeness, getCompleteness } from '../../api/completeness.ts'
import { gatewayNow } from '../../api/gateway-clock.ts'
import { CopyAs } from '../../parts/copy.tsx'
import { Failure, Page, Panel } from '../../parts/page.tsx'
import { query, setQuery } from '../../state/location.ts'
import { Calendar } from './calendar.tsx'
import { Hours } from './hours.tsx'
import { Proof, type Span } from './proof.tsx'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Each is an audit of its own. */
const DAYS = 14

/** A day in UTC, as the ledger is read. */
export interface AuditedDay {
  /** `2026-11-21` */
  readonly day: string
  /** Null until it has been read. */
  readonly hours: Completeness | null
}

/** The last days, and one before them that a link names. */
function daysUpTo(now: Date, named: string): readonly string[] {
  const today = Math.floor(now.getTime() / DAY_MS) * DAY_MS
  const days = Array.from({ length: DAYS }, (_, i) => dayOf(today - (DAYS - 1 - i) * DAY_MS))
  return isDay(named) && named < (days[0] ?? '') ? [named, ...days] : days
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) && dayOf(Date.parse(text)) === text
}

/** Whether every request has its entry, by hour, day and tenant, as the ledger proves it. */
export function CompletenessView() {
  const asked = query.value.get('day') ?? ''
  const days = useSignal<readonly AuditedDay[]>(
    daysUpTo(gatewayNow(), asked).map((day) => ({ day, hours: null })),
  )
  const error = useSignal<string | null>(null)
  useEffect(() => {
    const ended = new AbortController()
    const load = async (): Promise<void> => {
      for (const { day } of inOrder(days.peek(), asked)) {
        const until = new Date(Date.parse(day) + DAY_MS).toISOString()
        const hours = await getCompleteness(new Date(day).toISOString(), until, ended.signal)
        days.value = days.peek().map((one) => (one.day === day ? { day, hours } : one))
      }
    }
    load().catch((failure: unknown) => {
      if (!ended.signal.aborted) error.value = messageOf(failure)
    })
    return () => ended.abort()
  }, [])
  const chosen = days.value.find(({ day }) => day === asked) ?? days.value.at(-1)
  const hours = chosen?.hours ?? null
  const hour = /^(?:[01]\d|2[0-3])$/.test(query.value.get('hour') ?? '')
    ? (query.value.get('hour') ?? '')
    : ''
  const span = spanOf(chosen?.day ?? dayOf(gatewayNow().getTime()), hour)
  return (
    <Page
      title="Completeness"
      hint="Is every request in the log? Proven from the ledger, by hour and day in UTC."
      tools={
        <CopyAs
          path={`/api/v1/audit?${new URLSearchParams({ since: span.since, until: span.until })}`}
          cli={['audit']}
          flags={[
            ['--since', span.since],
            ['--until', span.until],
          ]}
        />
      }
    >
      <Failure error={error.value} />
      <div class="stack">
        <Panel title={`The last ${DAYS} days`}>
          {days.value.some((day) => day.hours !== null) ? (
            <Calendar
              days={days.value}
              chosen={chosen?.day ?? ''}
              onChoose={(day) => setQuery({ day, hour: null }, { replace: true })}
            />
          ) : (
            <div class="waiting" />
          )}
        </Panel>
        {hours === null ? null : (
          <Hours
            day={chosen?.day ?? ''}
            hours={hours}
            chosen={hour}
            onChoose={(to) => setQuery({ hour: to === '' ? null : to }, { replace: true })}
          />
        )}
        {hours === null && error.value === null ? null : <Proof key={span.name} of={span} />}
      </div>
    </Page>
  )
}

/** The chosen day first, then the newest: they are what is looked for. */
function inOrder(days: readonly AuditedDay[], chosen: string): readonly AuditedDay[] {
  return days.toReversed().toSorted((a, b) => Number(b.day === chosen) - Number(a.day === chosen))
}

/** A day, or an hour of it. */
function spanOf(day: string, hour: string): Span {
  if (hour === '') return { name: day, since: day, until: dayOf(Date.parse(day) + DAY_MS) }
  const since = new Date(`${day}T${hour}:00:00Z`)
  return {
    name: `${day}T${hour}`,
    since: since.toISOString(),
    until: new Date(since.getTime() + HOUR_MS).toISOString(),
  }
}
