import { several } from '../../words/format.ts'
import { type Cell, CELL_WORDS, cellOf, tenantsOf } from './cell.ts'
import type { AuditedDay } from './completeness.tsx'

/** Tenants drawn; the row of all of them covers the others. */
const MAX_TENANTS = 40

interface CalendarProps {
  readonly days: readonly AuditedDay[]
  readonly chosen: string
  readonly onChoose: (day: string) => void
}

/** Days across, tenants down. */
export function Calendar({ days, chosen, onChoose }: CalendarProps) {
  const tenants = tenantsOf(days.map(({ audit }) => audit))
  const rows: readonly (string | null)[] = [null, ...tenants.slice(0, MAX_TENANTS)]
  const rest = tenants.length - MAX_TENANTS
  return (
    <>
      <div class="scroll" tabIndex={0} role="group" aria-label="Calendar">
        <table class="calendar">
          <thead>
            <tr>
              <th scope="col">Tenant</th>
              {days.map(({ day }) => (
                <th scope="col" key={day} class={day === chosen ? 'chosen' : ''}>
                  <button
                    type="button"
                    class="day"
                    aria-pressed={day === chosen}
                    onClick={() => onChoose(day)}
                    aria-label={day}
                  >
                    <span class="month">{day.slice(5, 7)}-</span>
                    {day.slice(8)}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((tenant) => (
              <tr key={tenant ?? ''}>
                <th scope="row">{nameOf(tenant)}</th>
                {days.map(({ day, audit }) => (
                  <td key={day} class={day === chosen ? 'chosen' : ''}>
                    <CellMark of={cellOf(audit, tenant)} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
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

function nameOf(tenant: string | null) {
  if (tenant === null) return <strong>All</strong>
  return tenant === '' ? (
    <span class="soft">not attributed</span>
  ) : (
    <a href={`/tenants/${tenant}`}>{tenant}</a>
  )
}

function CellMark({ of: cell }: { readonly of: Cell }) {
  const [sign, text] = CELL_WORDS[cell.state]
  const all = `${text}${cell.accepted === 0 ? '' : `, ${several(cell.accepted, 'request')}`}`
  return (
    <span class={`cell ${cell.state}`} role="img" aria-label={all} title={all}>
      {sign}
    </span>
  )
}
