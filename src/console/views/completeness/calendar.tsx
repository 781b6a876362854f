import { several } from '../../words/format.ts'
import { type Cell, CELL_WORDS, dayCell, tenantsOf } from './cell.ts'
import type { AuditedDay } from './completeness.tsx'
import { Cells, type Column } from './cells.tsx'

/** Tenants drawn; the row of all of them covers the others. */
const MAX_TENANTS = 40

interface CalendarProps {
  readonly days: readonly AuditedDay[]
  readonly chosen: string
  readonly onChoose: (day: string) => void
}

/** Days across, tenants down. */
export function Calendar({ days, chosen, onChoose }: CalendarProps) {
  const audits = days.map(({ hours }) => hours)
  const tenants = tenantsOf(audits)
  const beyond = Math.max(0, ...audits.map((day) => day?.moreTenants ?? 0))
  const rest = Math.max(0, tenants.length - MAX_TENANTS) + beyond
  const columns = days.map(({ day }): Column => ({
    id: day,
    label: day,
    head: (
      <>
        <span class="month">{day.slice(5, 7)}-</span>
        {day.slice(8)}
      </>
    ),
  }))
  const cellAt = (tenant: string | null, i: number): Cell => dayCell(audits[i] ?? null, tenant)
  return (
    <>
      <Cells
        label="Calendar"
        columns={columns}
        tenants={tenants.slice(0, MAX_TENANTS)}
        cellAt={cellAt}
        chosen={chosen}
        onChoose={onChoose}
      />
      {rest > 0 ? <p class="hint note">and {several(rest, 'other tenant')}, within the row of all</p> : null}
      <ul class="legend note">
        {(['complete', 'so_far', 'gap', 'unproven', 'none'] as const).map((state) => (
          <li key={state}>
            <span class={`cell ${state}`} aria-hidden="true">
              {CELL_WORDS[state][0]}
            </span>{' '}
            {CELL_WORDS[state][1]}
          </li>
        ))}
      </ul>
    </>
  )
}
