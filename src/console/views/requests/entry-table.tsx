import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import type { Entry } from '../../api/entries.ts'
import { OutcomeWords, StatusCode } from '../../parts/outcome.tsx'
import { useVirtualRows } from '../../parts/virtual-rows.ts'
import { zone } from '../../state/preferences.ts'
import { bytes, duration } from '../../words/format.ts'
import { dateAndTime, exactMoment, zoneName } from '../../words/moment.ts'

/** As in the style sheet. */
const ROW_HEIGHT = 30
/** So many rows before the end, more are asked for. */
const NEAR_END = 40

interface EntryTableProps {
  readonly label: string
  readonly entries: readonly Entry[]
  /** Id of the row that is open. */
  readonly openId: string | null
  readonly onOpen: (entry: Entry) => void
  /** Called when the end comes near. */
  readonly onEnd?: () => void
  /** Below the last row. */
  readonly footer?: ComponentChildren
}

/** Requests, newest first: any number of rows, of which those in sight are drawn. Arrows move, Enter opens. */
export function EntryTable({ label, entries, openId, onOpen, onEnd, footer }: EntryTableProps) {
  const scroller = useRef<HTMLDivElement>(null)
  const active = useSignal(0)
  const rows = useVirtualRows(scroller, { count: entries.length, height: ROW_HEIGHT })
  useEffect(() => {
    if (rows.end >= entries.length - NEAR_END) onEnd?.()
  }, [rows.end, entries.length])
  const move = (to: number): void => {
    active.value = Math.max(0, Math.min(entries.length - 1, to))
    rows.scrollTo(active.value)
    // Drawn by the next frame at the latest.
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>('[data-active]')?.focus())
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const to = targetOf(event.key, active.value, entries.length)
    if (to === null) return
    event.preventDefault()
    move(to)
  }
  const shown = entries.slice(rows.first, rows.end)
  return (
    <div class="entries" ref={scroller} role="region" aria-label={label} onKeyDown={onKeyDown}>
      <table aria-rowcount={entries.length + 1}>
        <EntryHead />
        <tbody>
          <Spacer height={rows.above} />
          {shown.map((entry, i) => (
            <EntryRow
              key={entry.id}
              entry={entry}
              index={rows.first + i}
              isActive={rows.first + i === active.value}
              isOpen={entry.id === openId}
              onOpen={() => {
                active.value = rows.first + i
                onOpen(entry)
              }}
            />
          ))}
          <Spacer height={rows.below} />
        </tbody>
      </table>
      {footer}
    </div>
  )
}

const PAGE_ROWS = 15

function targetOf(key: string, at: number, count: number): number | null {
  const targets: Readonly<Record<string, number>> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + PAGE_ROWS,
    PageUp: at - PAGE_ROWS,
    Home: 0,
    End: count - 1,
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

function EntryHead() {
  return (
    <thead>
      <tr aria-rowindex={1}>
        <th scope="col" class="c-time">
          Time <span class="soft">({zoneName(new Date(), zone.value)})</span>
        </th>
        <th scope="col" class="c-status">
          Status
        </th>
        <th scope="col" class="c-method">
          Method
        </th>
        <th scope="col" class="c-path">
          Path
        </th>
        <th scope="col" class="c-tenant">
          Tenant
        </th>
        <th scope="col" class="c-route">
          Route
        </th>
        <th scope="col" class="c-outcome">
          Outcome
        </th>
        <th scope="col" class="c-duration n">
          Duration
        </th>
        <th scope="col" class="c-bytes n">
          Sent
        </th>
      </tr>
    </thead>
  )
}

interface EntryRowProps {
  readonly entry: Entry
  readonly index: number
  readonly isActive: boolean
  readonly isOpen: boolean
  readonly onOpen: () => void
}

function EntryRow({ entry, index, isActive, isOpen, onOpen }: EntryRowProps) {
  const at = new Date(entry.started_at)
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
      <td class="c-status">
        <StatusCode status={entry.status} />
      </td>
      <td class="c-method">{entry.method ?? '–'}</td>
      <td class="c-path mono" title={entry.path ?? ''}>
        {entry.path ?? '–'}
      </td>
      <td class="c-tenant">{entry.tenant ?? <span class="soft">–</span>}</td>
      <td class="c-route">{entry.route ?? <span class="soft">–</span>}</td>
      <td class="c-outcome">
        <OutcomeWords outcome={entry.outcome} reason={entry.reason} status={entry.status} />
      </td>
      <td class="c-duration n">{duration(Number(entry.duration_us) / 1000)}</td>
      <td class="c-bytes n">{bytes(Number(entry.bytes_sent))}</td>
    </tr>
  )
}
