import type { Command } from 'commander'
import type { QuarantinedRow } from '../../store/entries/quarantine.ts'
import type { Cli } from '../cli.ts'
import { UsageError } from '../errors.ts'
import { addFormatFlags, readFormat, type FormatFlags } from '../flags.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { requireTenant } from '../known-names.ts'
import { addPlaneFlags, withPlane } from '../plane/open-plane.ts'
import type { ControlPlane } from '../plane/plane.ts'
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
  addPlaneFlags(addFormatFlags(listing)).action(async (flags: QuarantineFlags) =>
    cli.finish(await list(cli.io, flags)),
  )
  const show = quarantine.command('show <id>').description('show a row, why it was refused, and its values')
  addPlaneFlags(show.option('--json', 'print one JSON object')).action(
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
    addPlaneFlags(command).action(async (ids: string[], flags: QuarantineFlags) => {
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
  return await withPlane(io, flags, 'reader', async (plane) => {
    await requireTenant(plane, filter.tenant)
    const listing = openListing(io, format, ROW_SHAPE)
    const rows = plane.listQuarantine({ ...filter, isResolvedIncluded: flags.all === true })
    for await (const chunk of rows) await listing.write(chunk)
    await listing.end()
    const aside = (await plane.listSetAside()).map(asideText).join('')
    // A program that reads the rows reads rows only.
    if (format === 'table') await writeOut(io.stdout, aside)
    else io.stderr.write(aside)
    plane.nameSource()
    return 0
  })
}

/** What stands aside on the disk of one gateway. */
function asideText({
  host,
  instance,
  lines: found,
}: Awaited<ReturnType<ControlPlane['listSetAside']>>[number]): string {
  return found
    .map((line) => `on disk of ${escapeUnsafe(host)}, instance ${instance}: ${escapeUnsafe(line)}\n`)
    .join('')
}

async function showRow(io: Io, text: string, flags: QuarantineFlags): Promise<ExitCode> {
  const problems = new Problems()
  const id = rowId(text, problems)
  problems.throwIfAny()
  return await withPlane(io, flags, 'reader', async (plane) => {
    const found = await plane.getQuarantined(id)
    if (found === null) {
      io.stderr.write(`error: there is no row ${id} in quarantine\n`)
      return 1
    }
    const { row, entry } = found
    if (flags.json === true) await writeOut(io.stdout, `${safeJson({ ...row, entry }, 2)}\n`)
    else if (typeof entry === 'string') await writeOut(io.stdout, lines({ ...row, entry }))
    else await writeOut(io.stdout, lines(row) + lines(entry))
    return 0
  })
}

function lines(values: object): string {
  return Object.entries(values)
    .filter(([, value]) => value !== null)
    .map(
      ([name, value]) =>
        `${name}: ${escapeUnsafe(value instanceof Date ? value.toISOString() : String(value))}\n`,
    )
    .join('')
}

/** Decides on one row; false when it stays as it is. */
type Decide = (io: Io, plane: ControlPlane, id: number) => Promise<boolean>

const retry: Decide = async (io, plane, id) => {
  const result = await plane.retryQuarantined(id)
  if (result.state === 'refused') {
    io.stderr.write(`row ${id}: refused again: ${escapeUnsafe(result.detail)} (SQLSTATE ${result.code})\n`)
    return false
  }
  io.stderr.write(`row ${id}: ${result.state === 'stored' ? 'stored' : 'was decided on before'}\n`)
  return true
}

const drop: Decide = async (io, plane, id) => {
  const isDropped = await plane.dropQuarantined(id)
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
  return await withPlane(io, flags, 'control', async (plane) => {
    await requireTenant(plane, filter.tenant)
    let left = 0
    for (const id of wanted) if (!(await decide(io, plane, id))) left++
    if (flags.all === true) {
      for await (const rows of plane.listQuarantine(filter)) {
        for (const { id } of rows) if (!(await decide(io, plane, id))) left++
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
