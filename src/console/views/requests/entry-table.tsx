import type { ComponentChildren } from 'preact'
import type { Entry } from '../../api/entries.ts'
import { OutcomeWords, StatusCode } from '../../parts/outcome.tsx'
import { type Column, RowTable } from '../../parts/row-table.tsx'
import { bytes, duration } from '../../words/format.ts'

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

const COLUMNS: readonly Column[] = [
  ['c-status', 'Status'],
  ['c-method', 'Method'],
  ['c-path', 'Path'],
  ['c-tenant', 'Tenant'],
  ['c-route', 'Route'],
  ['c-outcome', 'Outcome'],
  ['c-duration n', 'Duration'],
  ['c-bytes n', 'Sent'],
]

/** Requests, newest first. */
export function EntryTable({ entries, ...rest }: EntryTableProps) {
  return (
    <RowTable
      {...rest}
      rows={entries}
      at={({ started_at: at }) => at}
      columns={COLUMNS}
      cells={(entry) => <EntryCells of={entry} />}
    />
  )
}

function EntryCells({ of: entry }: { readonly of: Entry }) {
  return (
    <>
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
    </>
  )
}
