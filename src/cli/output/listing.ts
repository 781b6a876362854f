import { csvText } from '../../lib/csv-text.ts'
import { unreachable } from '../../lib/unreachable.ts'
import type { Io } from './io.ts'
import { writeOut } from './output.ts'
import { Table, type TableColumn } from './table.ts'
import { safeJson } from './text.ts'

/** How rows are printed. `json` is one document, an array; `ndjson` is one object a line (https://ndjson.org). */
export const FORMATS = ['table', 'json', 'ndjson', 'csv'] as const

export type Format = (typeof FORMATS)[number]

/** A row as it leaves the program: the same names in JSON and CSV. */
export type OutputRow = Readonly<Record<string, unknown>>

/** How a kind of row is shown. */
export interface RowShape<R> {
  /** The row for `json`, `ndjson` and `csv`. */
  readonly toOutput: (row: R) => OutputRow
  /** Columns of `csv`, in order; names of `toOutput`. */
  readonly csvColumns: readonly string[]
  readonly columns: readonly (TableColumn & { readonly cell: (row: R) => string })[]
}

/** Prints rows as they come, at constant memory; `end` completes the document. */
export interface Listing<R> {
  /** Whether no row has been written yet. */
  readonly isEmpty: boolean
  write(rows: readonly R[]): Promise<void>
  end(): Promise<void>
}

/** Starts a listing on stdout. An empty one still prints its headings, or `[]`. */
export function openListing<R>(io: Io, format: Format, shape: RowShape<R>): Listing<R> {
  const printer = openPrinter(io, format, shape)
  let isEmpty = true
  return {
    get isEmpty() {
      return isEmpty
    },
    write: (rows) => {
      if (rows.length > 0) isEmpty = false
      return printer.write(rows)
    },
    end: () => printer.end(),
  }
}

type Printer<R> = Omit<Listing<R>, 'isEmpty'>

function openPrinter<R>(io: Io, format: Format, shape: RowShape<R>): Printer<R> {
  const out = (text: string): Promise<void> => writeOut(io.stdout, text)
  switch (format) {
    case 'table':
      return tableListing(out, shape, io.isTty.stdout ? io.columns : null)
    case 'json':
      return jsonListing(out, shape)
    case 'ndjson':
      return {
        write: (rows) => out(rows.map((row) => `${safeJson(shape.toOutput(row))}\n`).join('')),
        end: () => Promise.resolve(),
      }
    case 'csv':
      return csvListing(out, shape)
    default:
      return unreachable(format)
  }
}

/** Prints all rows of a short listing. */
export async function printListing<R>(io: Io, format: Format, shape: RowShape<R>, rows: readonly R[]) {
  const listing = openListing(io, format, shape)
  await listing.write(rows)
  await listing.end()
}

type Out = (text: string) => Promise<void>

function tableListing<R>(out: Out, shape: RowShape<R>, maxWidth: number | null): Printer<R> {
  const table = new Table(shape.columns, maxWidth)
  let isStarted = false
  const write = async (rows: readonly R[]): Promise<void> => {
    isStarted = true
    await out(table.lines(rows.map((row) => shape.columns.map((column) => column.cell(row)))))
  }
  return { write, end: () => (isStarted ? Promise.resolve() : write([])) }
}

function jsonListing<R>(out: Out, shape: RowShape<R>): Printer<R> {
  let before = '[\n'
  return {
    write: async (rows) => {
      if (rows.length === 0) return
      await out(before + rows.map((row) => safeJson(shape.toOutput(row))).join(',\n'))
      before = ',\n'
    },
    end: () => out(before === '[\n' ? '[]\n' : '\n]\n'),
  }
}

/** See `csvText`. */
function csvListing<R>(out: Out, shape: RowShape<R>): Printer<R> {
  const columns = shape.csvColumns
  let header = csvText([columns])
  const write = async (rows: readonly R[]): Promise<void> => {
    const records = rows.map((row) => {
      const output = shape.toOutput(row)
      return columns.map((name) => output[name])
    })
    await out(header + csvText(records))
    header = ''
  }
  return { write, end: () => (header === '' ? Promise.resolve() : write([])) }
}
