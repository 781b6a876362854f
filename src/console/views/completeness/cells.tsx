import type { ComponentChildren } from 'preact'
import { TenantLink } from '../../parts/tenant-link.tsx'
import { several } from '../../words/format.ts'
import { type Cell, CELL_WORDS } from './cell.ts'

/** A column: a day, or an hour. */
export interface Column {
  readonly id: string
  /** In words. */
  readonly label: string
  readonly head: ComponentChildren
}

interface CellsProps {
  readonly label: string
  readonly columns: readonly Column[]
  readonly tenants: readonly string[]
  /** How many of them are drawn: the row of all of them covers the others. */
  readonly maxTenants: number
  /** Tenants that were not read. */
  readonly moreTenants: number
  /** Null is for all tenants together. */
  readonly cellAt: (tenant: string | null, column: number) => Cell
  readonly chosen: string
  readonly onChoose: (id: string) => void
}

/** Spans of time across, tenants down, and what the ledger says of each. A head chooses its column. */
export function Cells({
  label,
  columns,
  tenants,
  maxTenants,
  moreTenants,
  cellAt,
  chosen,
  onChoose,
}: CellsProps) {
  const rest = Math.max(0, tenants.length - maxTenants) + moreTenants
  return (
    <>
      <div class="scroll" tabIndex={0} role="group" aria-label={label}>
        <table class="calendar">
          <Columns of={columns} chosen={chosen} onChoose={onChoose} />
          <tbody>
            {[null, ...tenants.slice(0, maxTenants)].map((tenant) => (
              <tr key={tenant ?? ' '}>
                <th scope="row">{tenant === null ? <strong>All</strong> : <TenantLink of={tenant} />}</th>
                {columns.map(({ id }, i) => (
                  <td key={id} class={classOf(id, chosen)}>
                    <CellMark of={cellAt(tenant, i)} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rest > 0 ? <p class="hint note">and {several(rest, 'other tenant')}, within the row of all</p> : null}
    </>
  )
}

interface ColumnsProps extends Pick<CellsProps, 'chosen' | 'onChoose'> {
  readonly of: readonly Column[]
}

function Columns({ of: columns, chosen, onChoose }: ColumnsProps) {
  return (
    <thead>
      <tr>
        <th scope="col">Tenant</th>
        {columns.map(({ id, label, head }) => (
          <th scope="col" key={id} class={classOf(id, chosen)}>
            <button
              type="button"
              class="day"
              aria-pressed={id === chosen}
              onClick={() => onChoose(id)}
              aria-label={label}
            >
              {head}
            </button>
          </th>
        ))}
      </tr>
    </thead>
  )
}

function classOf(id: string, chosen: string): string {
  return id === chosen ? 'chosen' : ''
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
