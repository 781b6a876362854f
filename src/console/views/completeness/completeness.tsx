import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { Audit } from '../../api/audit.ts'
import { getAudit } from '../../api/audit.ts'
import { messageOf } from '../../api/client.ts'
import { gatewayNow } from '../../api/gateway-clock.ts'
import { CopyAs } from '../../parts/copy.tsx'
import { Failure, Page, Panel } from '../../parts/page.tsx'
import { query, setQuery } from '../../state/location.ts'
import { Calendar } from './calendar.tsx'
import { DayPanel } from './day.tsx'

const DAY_MS = 86_400_000
/** Each is an audit of its own. */
const DAYS = 14

/** A day in UTC, as the ledger is read: its first moment. */
export interface AuditedDay {
  /** `2026-11-21` */
  readonly day: string
  /** Null until it has been read. */
  readonly audit: Audit | null
}

function daysUpTo(now: Date): readonly string[] {
  const today = Math.floor(now.getTime() / DAY_MS) * DAY_MS
  return Array.from({ length: DAYS }, (_, i) =>
    new Date(today - (DAYS - 1 - i) * DAY_MS).toISOString().slice(0, 10),
  )
}

/** Whether every request has its entry, by day and tenant, as the ledger proves it. */
export function CompletenessView() {
  const days = useSignal<readonly AuditedDay[]>(daysUpTo(gatewayNow()).map((day) => ({ day, audit: null })))
  const error = useSignal<string | null>(null)
  useEffect(() => {
    const ended = new AbortController()
    const load = async (): Promise<void> => {
      // The newest first: they are what is looked for.
      for (const { day } of days.peek().toReversed()) {
        const until = new Date(Date.parse(day) + DAY_MS).toISOString()
        const audit = await getAudit(new Date(day).toISOString(), until, ended.signal)
        days.value = days.peek().map((one) => (one.day === day ? { day, audit } : one))
      }
    }
    load().catch((failure: unknown) => {
      if (!ended.signal.aborted) error.value = messageOf(failure)
    })
    return () => ended.abort()
  }, [])
  const chosen = query.value.get('day') ?? days.value.at(-1)?.day ?? ''
  const day = days.value.find((one) => one.day === chosen)
  return (
    <Page
      title="Completeness"
      hint="Is every request in the log? Proven from the ledger, by day in UTC."
      tools={
        <CopyAs
          path={`/api/v1/audit?${new URLSearchParams({ since: chosen, until: nextDay(chosen) })}`}
          cli={['audit']}
          flags={[
            ['--since', chosen],
            ['--until', nextDay(chosen)],
          ]}
        />
      }
    >
      <Failure error={error.value} />
      <div class="stack">
        <Panel title={`The last ${DAYS} days`}>
          <Calendar
            days={days.value}
            chosen={chosen}
            onChoose={(to) => setQuery({ day: to }, { replace: true })}
          />
        </Panel>
        {day === undefined ? null : <DayPanel of={day} />}
      </div>
    </Page>
  )
}

function nextDay(day: string): string {
  const at = Date.parse(day)
  return Number.isNaN(at) ? '' : new Date(at + DAY_MS).toISOString().slice(0, 10)
}
