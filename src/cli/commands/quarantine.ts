import type { Command } from 'commander'
import { asideWords, unnamedOf } from '../../model/audit/set-aside.ts'
import { readCopyRow } from '../../model/copy-text.ts'
import {
  dropQuarantined,
  getQuarantined,
  listQuarantine,
  retryQuarantined,
  type QuarantinedRow,
} from '../../store/entries/quarantine.ts'
import { listSetAside, type InstanceAside } from '../../store/audit/set-aside.ts'
import type { Sql } from '../../store/sql.ts'
import type { Cli } from '../cli.ts'
import { DATABASE_OPTIONS, addConfigFlags } from '../configuration.ts'
import { nameDatabase, withDatabase } from '../context.ts'
import { UsageError } from '../errors.ts'
import { addFormatFlags, readFormat, type FormatFlags } from '../flags.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { requireTenant } from '../known-names.ts'
import { storeNames } from '../plane/store-plane.ts'
import { openListing, type RowShape } from '../output/listing.ts'
import { writeOut } from '../output/output.ts'
import { Problems } from '../problems.ts'
import { escapeUnsafe, safeJson } from '../output/text.ts'

interface QuarantineFlags extends FormatFlags {
  readonly tenant?: string
  readonly all?: boolean
  readonly yes?: boolean
}

/** Adds `waybill quarantine …`. */
export function addQuarantineCommands(program: Command, cli: Cli): void {
  const quarantine = program
    .command('quarantine')
    .description('rows of the access log that PostgreSQL refused: list, show, store again, drop')
  const listing = quarantine
    .command('list')
    .description('list the rows that wait, oldest first, and what live gateways have set aside on disk')
    .option('--tenant <slug>', 'only rows of this tenant')
    .option('--all', 'also those that were decided on')
  addConfigFlags(addFormatFlags(listing), DATABASE_OPTIONS).action(async (flags: QuarantineFlags) =>
    cli.finish(await list(cli.io, flags)),
  )
  const show = quarantine.command('show <id>').description('show a row, why it was refused, and its values')
  addConfigFlags(show.option('--json', 'print one JSON object'), DATABASE_OPTIONS).action(
    async (id: string, flags: QuarantineFlags) => cli.finish(await showRow(cli.io, id, flags)),
  )
  for (const [name, description, decide] of [
    ['retry', 'store rows, once their cause is mended; exactly once', retry],
    ['drop', 'give rows up for good: audits count them as dropped', drop],
  ] as const) {
    const command = quarantine
      .command(`${name} [id...]`)
      .description(description)
      .option('--all', 'all that wait')
      .option('--tenant <slug>', 'with --all: only those of this tenant')
    if (name === 'drop') command.option('--yes', 'required: it cannot be undone')
    addConfigFlags(command, DATABASE_OPTIONS).action(async (ids: string[], flags: QuarantineFlags) => {
      if (name === 'drop' && flags.yes !== true)
        throw new UsageError(['--yes is required: it cannot be undone'])
      cli.finish(await decideAll(cli.io, { ids, flags, decide }))
    })
  }
}

const ROW_SHAPE: RowShape<QuarantinedRow> = {
  toOutput: (row) => ({ ...row }),
  csvColumns: [
    'id',
    'quarantinedAt',
    'tenant',
    'instance',
    'seq',
    'code',
    'detail',
    'resolution',
    'resolvedAt',
  ],
  columns: [
    { title: 'ID', isRight: true, cell: (row) => String(row.id) },
    { title: 'QUARANTINED', cell: (row) => row.quarantinedAt.toISOString() },
    { title: 'TENANT', minWidth: 8, cell: (row) => (row.tenant === '' ? '-' : row.tenant) },
    { title: 'INSTANCE', dropOrder: 1, cell: (row) => row.instance.slice(0, 8) },
    { title: 'SEQ', isRight: true, dropOrder: 2, cell: (row) => String(row.seq) },
    { title: 'CODE', cell: (row) => row.code },
    { title: 'RESOLUTION', dropOrder: 3, cell: (row) => row.resolution ?? '-' },
    { title: 'REASON', minWidth: 20, cell: (row) => row.detail ?? '-' },
  ],
}

async function list(io: Io, flags: QuarantineFlags): Promise<ExitCode> {
  const problems = new Problems()
  const format = readFormat(flags, problems)
  const filter = tenantFilter(flags, problems)
  problems.throwIfAny()
  return await withDatabase(io, flags, 'reader', async (database) => {
    const { sql } = database
    await requireTenant(storeNames(sql), filter.tenant)
    const listing = openListing(io, format, ROW_SHAPE)
    const rows = listQuarantine(sql, { ...filter, isResolvedIncluded: flags.all === true })
    for await (const chunk of rows) await listing.write(chunk)
    await listing.end()
    const aside = (await listSetAside(sql)).map(asideLines).join('')
    // A program that reads the rows reads rows only.
    if (format === 'table') await writeOut(io.stdout, aside)
    else io.stderr.write(aside)
    nameDatabase(io, database)
    return 0
  })
}

/** What stands aside on the disk of one gateway. */
function asideLines({ host, instance, aside }: InstanceAside): string {
  const more = unnamedOf(aside)
  const lines = aside.named.map(asideWords)
  if (more > 0) lines.push(`${more} more are set aside`)
  return lines
    .map((line) => `on disk of ${escapeUnsafe(host)}, instance ${instance}: ${escapeUnsafe(line)}\n`)
    .join('')
}

async function showRow(io: Io, text: string, flags: QuarantineFlags): Promise<ExitCode> {
  const problems = new Problems()
  const id = rowId(text, problems)
  problems.throwIfAny()
  return await withDatabase(io, flags, 'reader', async ({ sql }) => {
    const found = await getQuarantined(sql, id)
    if (found === null) {
      io.stderr.write(`error: there is no row ${id} in quarantine\n`)
      return 1
    }
    const values = readCopyRow(found.text)
    // What is no text is shown as latin1: every byte is one character.
    const entry = values === null ? found.text.toString('latin1') : Object.fromEntries(values)
    const row = { ...found.row, entry }
    if (flags.json === true) await writeOut(io.stdout, `${safeJson(row, 2)}\n`)
    else
      await writeOut(
        io.stdout,
        lines({ ...found.row, ...(values === null ? { entry } : {}) }) + lines(values),
      )
    return 0
  })
}

function lines(values: object | ReadonlyMap<string, unknown> | null): string {
  const pairs = values instanceof Map ? [...values] : Object.entries(values ?? {})
  return pairs
    .filter(([, value]) => value !== null)
    .map(
      ([name, value]) =>
        `${String(name)}: ${escapeUnsafe(value instanceof Date ? value.toISOString() : String(value))}\n`,
    )
    .join('')
}

/** Decides on one row; false when it stays as it is. */
type Decide = (io: Io, sql: Sql, id: number) => Promise<boolean>

const retry: Decide = async (io, sql, id) => {
  const result = await retryQuarantined(sql, id)
  if (result.state === 'refused') {
    io.stderr.write(`row ${id}: refused again: ${escapeUnsafe(result.detail)} (SQLSTATE ${result.code})\n`)
    return false
  }
  io.stderr.write(`row ${id}: ${result.state === 'stored' ? 'stored' : 'was decided on before'}\n`)
  return true
}

const drop: Decide = async (io, sql, id) => {
  const isDropped = await dropQuarantined(sql, id)
  io.stderr.write(`row ${id}: ${isDropped ? 'dropped' : 'was decided on before'}\n`)
  return true
}

async function decideAll(
  io: Io,
  { ids, flags, decide }: { ids: readonly string[]; flags: QuarantineFlags; decide: Decide },
): Promise<ExitCode> {
  const problems = new Problems()
  const wanted = ids.map((id) => rowId(id, problems))
  const filter = tenantFilter(flags, problems)
  if (wanted.length === 0 && flags.all !== true) problems.add('give the ids of rows, or --all')
  if (wanted.length > 0 && flags.all === true) problems.add('--all contradicts ids')
  if (flags.tenant !== undefined && flags.all !== true) problems.add('--tenant needs --all')
  problems.throwIfAny()
  return await withDatabase(io, flags, 'control', async ({ sql }) => {
    await requireTenant(storeNames(sql), filter.tenant)
    let left = 0
    for (const id of wanted) if (!(await decide(io, sql, id))) left++
    if (flags.all === true) {
      for await (const rows of listQuarantine(sql, filter)) {
        for (const { id } of rows) if (!(await decide(io, sql, id))) left++
      }
    }
    return left === 0 ? 0 : 1
  })
}

function tenantFilter(flags: QuarantineFlags, problems: Problems): { tenant?: string } {
  return flags.tenant === undefined ? {} : { tenant: problems.slug('--tenant', flags.tenant) }
}

function rowId(text: string, problems: Problems): number {
  return problems.integer('id', text, 1, Number.MAX_SAFE_INTEGER)
}
