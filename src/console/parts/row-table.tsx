import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import { zone } from '../state/preferences.ts'
import { count } from '../words/format.ts'
import { dateAndTime, exactMoment, zoneName } from '../words/moment.ts'
import type { Pages } from '../state/pages.ts'
import { useVirtualRows } from './virtual-rows.ts'

/** As in the style sheet. */
const ROW_HEIGHT = 30
/** So many rows before the end, more are asked for. */
const NEAR_END = 40

/** A column behind the time: its class, its words. */
export type Column = readonly [className: string, label: string]

interface RowTableProps<T> {
  readonly label: string
  readonly rows: readonly T[]
  readonly at: (row: T) => string
  readonly columns: readonly Column[]
  /** Its cells behind the time, one for each column. */
  readonly cells: (row: T) => ComponentChildren
  /** Id of the row that is open. */
  readonly openId: string | null
  readonly onOpen: (row: T) => void
  /** Called when the end comes near. */
  readonly onEnd?: (() => void) | undefined
  /** Below the last row. */
  readonly footer?: ComponentChildren
}

/** What happened, newest first: any number of rows, of which those in sight are drawn. Arrows move, Enter opens. */
export function RowTable<T extends { readonly id: string }>(props: RowTableProps<T>) {
  const { label, rows, at, columns, cells, openId, onOpen, onEnd, footer } = props
  const scroller = useRef<HTMLDivElement>(null)
  const active = useSignal(0)
  const drawn = useVirtualRows(scroller, { count: rows.length, height: ROW_HEIGHT })
  useEffect(() => {
    if (drawn.end >= rows.length - NEAR_END) onEnd?.()
  }, [drawn.end, rows.length])
  const move = (to: number): void => {
    active.value = Math.max(0, Math.min(rows.length - 1, to))
    drawn.scrollTo(active.value)
    // Drawn by the next frame at the latest.
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>('[data-active]')?.focus())
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const to = targetOf(event.key, active.value, rows.length)
    if (to === null) return
    event.preventDefault()
    move(to)
  }
  return (
    <div class="entries" ref={scroller} role="region" aria-label={label} onKeyDown={onKeyDown}>
      <table aria-rowcount={rows.length + 1}>
        <RowHead columns={columns} />
        <tbody>
          <Spacer height={drawn.above} />
          {rows.slice(drawn.first, drawn.end).map((row, i) => (
            <Row
              key={row.id}
              at={new Date(at(row))}
              index={drawn.first + i}
              isActive={drawn.first + i === active.value}
              isOpen={row.id === openId}
              onOpen={() => {
                active.value = drawn.first + i
                onOpen(row)
              }}
            >
              {cells(row)}
            </Row>
          ))}
          <Spacer height={drawn.below} />
        </tbody>
      </table>
      {footer}
    </div>
  )
}

const PAGE_ROWS = 15

function targetOf(key: string, at: number, rows: number): number | null {
  const targets: Readonly<Record<string, number>> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + PAGE_ROWS,
    PageUp: at - PAGE_ROWS,
    Home: 0,
    End: rows - 1,
  }
  return targets[key] ?? null
}

function Spacer({ height }: { readonly height: number }) {
  return height === 0 ? null : (
    <tr aria-hidden="true" class="spacer">
      <td style={{ height: `${height}px` }} />
    </tr>
  )
}

function RowHead({ columns }: { readonly columns: readonly Column[] }) {
  return (
    <thead>
      <tr aria-rowindex={1}>
        <th scope="col" class="c-time">
          Time <span class="soft">({zoneName(new Date(), zone.value)})</span>
        </th>
        {columns.map(([className, label]) => (
          <th scope="col" class={className} key={className}>
            {label}
          </th>
        ))}
      </tr>
    </thead>
  )
}

interface RowProps {
  readonly at: Date
  readonly index: number
  readonly isActive: boolean
  readonly isOpen: boolean
  readonly onOpen: () => void
  readonly children: ComponentChildren
}

function Row({ at, index, isActive, isOpen, onOpen, children }: RowProps) {
  const [date, time] = dateAndTime(at, zone.value)
  // Who selects text does not want the row opened.
  const onClick = (): void => {
    if (getSelection()?.isCollapsed !== false) onOpen()
  }
  return (
    <tr aria-rowindex={index + 2} class={isOpen ? 'open' : ''} onClick={onClick}>
      <td class="c-time">
        <button
          type="button"
          class="row-button"
          tabIndex={isActive ? 0 : -1}
          {...(isActive ? { 'data-active': '' } : {})}
          aria-expanded={isOpen}
          title={exactMoment(at, zone.value)}
          onClick={(event) => {
            event.stopPropagation()
            onOpen()
          }}
        >
          <span class="soft date">{date}</span> {time}
        </button>
      </td>
      {children}
    </tr>
  )
}

/** Puts the focus back on the row that was open. */
export function focusActiveRow(): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>('.entries [data-active]')?.focus())
}

/** Below rows that come in pages: how many there are, and whether that is all. */
export function PagesFoot<T>({ of: { items, next, isLoading } }: { readonly of: Pages<T> }) {
  const text = isLoading ? 'Loading …' : next === null ? 'That is all of them.' : 'Scroll for more.'
  return (
    <p class="entries-foot" role="status">
      {items.length === 0 ? '' : `${count(items.length)} shown. `}
      {text}
    </p>
  )
}
