import type { Command } from 'commander'
import type { AdminLogEntry, AdminLogFilter } from '../../../store/admin-log/admin-log.ts'
import { type ChainCheck, type ChainHead, verifyAdminLog } from '../../../store/admin-log/verify.ts'
import type { Cli } from '../../cli.ts'
import { nameDatabase, withDatabase } from '../../context.ts'
import { addFormatFlags, type FormatFlags, readFormat } from '../../flags.ts'
import { requireTenant } from '../../known-names.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { type Format, type Listing, openListing, type RowShape } from '../../output/listing.ts'
import { writeOut } from '../../output/output.ts'
import { safeJson } from '../../output/text.ts'
import { addPlaneFlags, readByPlane, withPlane } from '../../plane/open-plane.ts'
import type { LogPort } from '../../plane/plane.ts'
import { Problems, TIME_FORM } from '../../problems.ts'
import { changeWords } from './change-words.ts'

interface AdminLogFlags extends FormatFlags {
  readonly since?: string
  readonly until?: string
  readonly actor?: string
  readonly subject?: string
  readonly tenant?: string
  readonly limit?: string
  readonly verify?: boolean
  readonly anchor?: string
}

/** Flags that choose entries, or how they are printed: a check of the chain is of all of them. */
const LIST_FLAGS = ['since', 'until', 'actor', 'subject', 'tenant', 'limit'] as const

const SUBJECT_FORM = 'a kind (tenant, key, signing-key, token, retention, quarantine), or one: tenant:acme'
const ANCHOR_FORM = '<number>:<digest>, as --verify printed it'
const DEFAULT_TABLE_LIMIT = 100
/** They are held to be printed oldest first. */
const MAX_LIMIT = 10_000
const PAGE = 500

/** Adds `waybill admin-log`. */
export function addAdminLogCommand(program: Command, cli: Cli): void {
  const command = program
    .command('admin-log')
    .description('who changed what: tenants, keys, limits, retention, decisions on quarantine; oldest first')
    .option('--since <time>', `changes from this time on: ${TIME_FORM}`)
    .option('--until <time>', 'changes before this time')
    .option('--actor <name>', 'only changes by this person, token or program')
    .option('--subject <subject>', `only changes of ${SUBJECT_FORM}`)
    .option('--tenant <slug>', "only changes of this tenant and of what is the tenant's: keys, tokens")
    .option(
      '--limit <n>',
      `the newest so many, or all (default: ${DEFAULT_TABLE_LIMIT} in a table, else all)`,
    )
    .option(
      '--verify',
      'check the chain instead; exit 1 naming the first entry that is not as it was written',
    )
    .option('--anchor <anchor>', `with --verify: that an earlier end of the chain is in it, ${ANCHOR_FORM}`)
  addPlaneFlags(addFormatFlags(command)).action(async (flags: AdminLogFlags) =>
    cli.finish(await (flags.verify === true ? verify : list)(cli.io, flags)),
  )
}

const ENTRY_SHAPE: RowShape<AdminLogEntry> = {
  toOutput: (entry) => ({ ...entry }),
  csvColumns: 'seq at actor via from role action subject name tenant before after'.split(' '),
  columns: [
    { title: 'SEQ', isRight: true, dropOrder: 3, cell: ({ seq }) => String(seq) },
    { title: 'AT', cell: ({ at }) => `${at.toISOString().slice(0, 19)}Z` },
    { title: 'WHO', minWidth: 8, cell: ({ actor }) => actor },
    { title: 'VIA', dropOrder: 2, cell: ({ via }) => via },
    { title: 'FROM', minWidth: 8, dropOrder: 1, cell: ({ from }) => from },
    { title: 'WHAT', minWidth: 30, cell: changeWords },
  ],
}

function readFilter(flags: AdminLogFlags, nowMs: number, problems: Problems): AdminLogFilter {
  const { actor, subject } = flags
  const since = flags.since === undefined ? undefined : problems.time('--since', flags.since, nowMs)
  const until = flags.until === undefined ? undefined : problems.time('--until', flags.until, nowMs)
  if (since !== undefined && until !== undefined && since >= until)
    problems.add('--since must be before --until')
  if (actor === '') problems.add('--actor: must be a name')
  if (subject !== undefined && !/^[a-z-]+(?::.+)?$/.test(subject))
    problems.add(`--subject: must be ${SUBJECT_FORM}`)
  return {
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(actor === undefined ? {} : { actor }),
    ...(subject === undefined ? {} : { subject }),
    ...(flags.tenant === undefined ? {} : { tenant: problems.slug('--tenant', flags.tenant) }),
  }
}

async function list(io: Io, flags: AdminLogFlags): Promise<ExitCode> {
  const problems = new Problems()
  const format = readFormat(flags, problems)
  const limit = readLimit(flags, format, problems)
  if (flags.anchor !== undefined) problems.add('--anchor needs --verify')
  problems.readAtAnyTime((nowMs, found) => readFilter(flags, nowMs, found))
  problems.throwIfAny()
  return await withPlane(io, flags, 'reader', async (plane) => {
    const filter = await readByPlane(plane, (nowMs, found) => readFilter(flags, nowMs, found))
    await requireTenant(plane, filter.tenant)
    const listing = openListing(io, format, ENTRY_SHAPE)
    if (limit === null) await writeAll(plane, filter, listing)
    else await listing.write((await plane.listAdminLog(filter, { order: 'newest', limit })).toReversed())
    await listing.end()
    plane.nameSource()
    return 0
  })
}

function readLimit({ limit }: AdminLogFlags, format: Format, problems: Problems): number | null {
  if (limit === 'all') return null
  if (limit !== undefined) return problems.integer('--limit', limit, 1, MAX_LIMIT)
  return format === 'table' ? DEFAULT_TABLE_LIMIT : null
}

async function writeAll(
  plane: LogPort,
  filter: AdminLogFilter,
  listing: Listing<AdminLogEntry>,
): Promise<void> {
  for (let after = 0; ;) {
    const page = await plane.listAdminLog(filter, { order: 'oldest', after, limit: PAGE })
    await listing.write(page)
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    after = last.seq
  }
}

async function verify(io: Io, flags: AdminLogFlags): Promise<ExitCode> {
  const problems = new Problems()
  for (const name of LIST_FLAGS)
    if (flags[name] !== undefined) problems.add(`--${name} contradicts --verify, which is of all entries`)
  const format = readFormat(flags, problems)
  if (format === 'csv' || format === 'ndjson')
    problems.add(`--format ${format} contradicts --verify: use json`)
  const anchor = flags.anchor === undefined ? null : readAnchor(flags.anchor, problems)
  problems.throwIfAny()
  return await withDatabase(io, flags, 'reader', async (database) => {
    const check = await verifyAdminLog(database.sql, anchor)
    await writeOut(io.stdout, format === 'json' ? `${safeJson(check)}\n` : checkLines(check))
    nameDatabase(io, database)
    return check.broken === null ? 0 : 1
  })
}

function readAnchor(text: string, problems: Problems): ChainHead {
  const [, seq, digest] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (seq === undefined || digest === undefined || seq === '0') {
    problems.add(`--anchor: must be ${ANCHOR_FORM}`)
    return { seq: 0, digest: '' }
  }
  return { seq: Number(seq), digest }
}

function checkLines({ entries, head, broken }: ChainCheck): string {
  const count = `${entries} ${entries === 1 ? 'entry' : 'entries'}`
  if (broken !== null)
    return `BROKEN at entry ${broken.seq}: ${broken.why}; ${count} before it as they were written\n`
  if (head.seq === 0) return 'complete: no change yet\n'
  return `complete: ${count}, each as it was written\nanchor ${head.seq}:${head.digest}\n`
}
