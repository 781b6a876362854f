import { purlOfRow, SHOWN_NAMES, shownEntry } from '../../artifacts/identify/shown-entry.ts'
import type { EntryRow } from '../../model/entry-columns.ts'
import type { RowShape } from '../output/listing.ts'

/** How access entries are printed. CSV and JSON have every column of `access_log`, and the package URL: see `ShownEntry`. */
export const ENTRY_SHAPE: RowShape<EntryRow> = {
  toOutput: (entry) => ({ ...shownEntry(entry) }),
  csvColumns: SHOWN_NAMES,
  columns: [
    { title: 'TIME', cell: (e) => e.started_at.toISOString() },
    { title: 'TENANT', minWidth: 8, cell: (e) => e.tenant ?? '-' },
    { title: 'KEY', dropOrder: 3, cell: (e) => e.key_id ?? '-' },
    { title: 'ROUTE', minWidth: 8, dropOrder: 1, cell: (e) => e.route ?? '-' },
    { title: 'METHOD', cell: (e) => e.method ?? '-' },
    { title: 'STATUS', isRight: true, cell: (e) => e.status.toString() },
    {
      title: 'OUTCOME',
      minWidth: 12,
      dropOrder: 2,
      cell: (e) => (e.reason === null ? e.outcome : `${e.outcome} (${e.reason})`),
    },
    { title: 'CLIENT', dropOrder: 5, cell: (e) => e.client_ip ?? '-' },
    { title: 'SENT', isRight: true, dropOrder: 4, cell: (e) => e.bytes_sent.toString() },
    { title: 'MS', isRight: true, dropOrder: 6, cell: (e) => (e.duration_us / 1000).toFixed(1) },
    { title: 'PATH', minWidth: 16, cell: (e) => e.path ?? '-' },
  ],
}

/** With the package in place of the path. */
export const PACKAGES_SHAPE: RowShape<EntryRow> = {
  ...ENTRY_SHAPE,
  columns: [
    ...ENTRY_SHAPE.columns.slice(0, -1),
    { title: 'KIND', minWidth: 8, cell: (e) => shownEntry(e).artifactKind ?? '-' },
    { title: 'PACKAGE', minWidth: 16, cell: (e) => purlOfRow(e) ?? '-' },
  ],
}
