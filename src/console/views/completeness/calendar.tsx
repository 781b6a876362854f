import { type Cell, CELL_WORDS, dayCell, tenantsOf } from './cell.ts'
import type { AuditedDay } from './completeness.tsx'
import { Cells, type Column } from './cells.tsx'

/** Tenants drawn of all days. */
const MAX_TENANTS = 40

interface CalendarProps {
  readonly days: readonly AuditedDay[]
  readonly chosen: string
  readonly onChoose: (day: string) => void
}

/** Days across, tenants down. */
export function Calendar({ days, chosen, onChoose }: CalendarProps) {
  const audits = days.map(({ hours }) => hours)
  const moreTenants = Math.max(0, ...audits.map((day) => day?.moreTenants ?? 0))
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
        tenants={tenantsOf(audits)}
        maxTenants={MAX_TENANTS}
        moreTenants={moreTenants}
        cellAt={cellAt}
        chosen={chosen}
        onChoose={onChoose}
      />
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
