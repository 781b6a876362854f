import type { ComponentChildren } from 'preact'
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
  /** Null is for all tenants together. */
  readonly cellAt: (tenant: string | null, column: number) => Cell
  readonly chosen: string
  readonly onChoose: (id: string) => void
}

/** Spans of time across, tenants down, and what the ledger says of each. A head chooses its column. */
export function Cells({ label, columns, tenants, cellAt, chosen, onChoose }: CellsProps) {
  const classOf = (id: string): string => (id === chosen ? 'chosen' : '')
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={label}>
      <table class="calendar">
        <thead>
          <tr>
            <th scope="col">Tenant</th>
            {columns.map(({ id, label: words, head }) => (
              <th scope="col" key={id} class={classOf(id)}>
                <button
                  type="button"
                  class="day"
                  aria-pressed={id === chosen}
                  onClick={() => onChoose(id)}
                  aria-label={words}
                >
                  {head}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {[null, ...tenants].map((tenant) => (
            <tr key={tenant ?? ' '}>
              <th scope="row">{nameOf(tenant)}</th>
              {columns.map(({ id }, i) => (
                <td key={id} class={classOf(id)}>
                  <CellMark of={cellAt(tenant, i)} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
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
