import type { Command } from 'commander'
import { machineName } from '../../lib/host/machine.ts'
import { sumOf } from '../../model/audit/audit-batch.ts'
import {
  AuditSum,
  type AuditAccount,
  type AuditSummary,
  type InstanceAudit,
} from '../../model/audit/audit.ts'
import { auditInstances, type AuditFilter } from '../../store/audit/audit.ts'
import { describeDatabase, settle } from '../../store/audit/audit-settle.ts'
import { findGone } from '../../store/audit/instance-deaths.ts'
import { proveDeliveries } from '../../store/deliveries/delivery-proofs.ts'
import type { Sql } from '../../store/sql.ts'
import type { Cli } from '../cli.ts'
import { readByDatabase, withDatabase } from '../context.ts'
import { UsageError } from '../errors.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { requireTenant } from '../known-names.ts'
import { addPlaneFlags, readByPlane, withApi, type OpenApi } from '../plane/open-plane.ts'
import { askAudit, windowUpTo } from '../plane/remote/remote-reports.ts'
import { storeNames } from '../plane/store-plane.ts'
import { openListing, type RowShape } from '../output/listing.ts'
import { writeOut } from '../output/output.ts'
import { Problems, TIME_FORM } from '../problems.ts'
import { escapeUnsafe, safeJson } from '../output/text.ts'
import { proveByApi, withDeliveries, type ProveDeliveries } from './deliveries/audit-deliveries.ts'

/** The flags of `waybill audit`. */
export interface AuditFlags {
  readonly tenant?: string
  readonly since?: string
  readonly until?: string
  readonly deep?: boolean
  readonly settle?: string
  readonly json?: boolean
}

/** Adds `waybill audit`. */
export function addAuditCommand(program: Command, cli: Cli): void {
  const command = program
    .command('audit')
    .description(
      'prove that every accepted entry is stored, or name each gap; exit 0 complete, 1 gaps or nothing to audit, 3 complete so far',
    )
    .option('--tenant <slug>', 'only the books of this tenant')
    .option('--since <time>', `requests from this time on: ${TIME_FORM}`)
    .option('--until <time>', 'requests before this time')
    .option(
      '--deep',
      'also read every row again, and compare it with what was sealed; otherwise rows are counted',
    )
    .option('--settle <duration>', 'wait this long at most for live gateways to store what they had accepted')
    .option('--json', 'print one JSON object')
  addPlaneFlags(command).action(async (flags: AuditFlags) => cli.finish(await audit(cli.io, flags)))
}

/** Reads the flags; collects what is wrong with them. */
export function readAuditFilter(flags: AuditFlags, nowMs: number, problems: Problems): AuditFilter {
  const since = flags.since === undefined ? undefined : problems.time('--since', flags.since, nowMs)
  const until = flags.until === undefined ? undefined : problems.time('--until', flags.until, nowMs)
  if (since !== undefined && until !== undefined && since >= until)
    problems.add('--since must be before --until')
  return {
    ...(flags.tenant === undefined ? {} : { tenant: problems.slug('--tenant', flags.tenant) }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  }
}

async function audit(io: Io, flags: AuditFlags): Promise<ExitCode> {
  const problems = new Problems()
  problems.readAtAnyTime((nowMs, found) => readAuditFilter(flags, nowMs, found))
  const settleMs = flags.settle === undefined ? null : problems.durationMs('--settle', flags.settle)
  problems.throwIfAny()
  const code = await withApi(io, flags, (open) => auditByApi(io, open, flags))
  if (code !== null) return code
  return await withDatabase(io, flags, 'reader', async ({ sql }) => {
    const filter = await readByDatabase(io, sql, (nowMs, found) => readAuditFilter(flags, nowMs, found))
    await requireTenant(storeNames(sql), filter.tenant)
    const settledAt = settleMs === null ? null : await settleLiving(sql, settleMs)
    const isDeep = flags.deep === true
    const rows = isDeep ? ('compared' as const) : ('counted' as const)
    const prove: ProveDeliveries = (settledTo) => proveDeliveries(sql, { ...filter, settledTo })
    const scene = { filter, rows, settledAt, database: await describeDatabase(sql), prove }
    const gone = await findGone(sql, machineName())
    const audits = auditInstances(sql, filter, { isDeep, isCounted: true, gone })
    const print = flags.json === true ? printJson : printTable
    return exitCodeOf(await print(io, scene, audits), settledAt)
  })
}

/** Nobody waits for what has died on this machine. */
async function settleLiving(sql: Sql, maxMs: number): Promise<Date | null> {
  const gone = await findGone(sql, machineName())
  return await settle(
    sql,
    maxMs,
    gone.map(({ id }) => id),
  )
}

const ROWS_WORDS = {
  compared: 'every row compared',
  counted: 'rows counted, not compared (--deep)',
  'not counted': 'rows not counted: the API answers by the ledger',
} as const

/** What an audit is about, and how it is made. */
interface AuditScene {
  readonly filter: AuditFilter
  /** What was done with the rows in the table. */
  readonly rows: keyof typeof ROWS_WORDS
  /** What was accepted by then is settled; null when that was not waited for, or took too long. */
  readonly settledAt: Date | null
  readonly database: string
  readonly prove: ProveDeliveries
}

function exitCodeOf(summary: AuditSummary, settledAt: Date | null): ExitCode {
  if (summary.gapCount > 0 || isOfNothing(summary)) return 1
  return isWhole(summary, settledAt) && !summary.isCutByFold ? 0 : 3
}

/** A wrong database, window or tenant looks like this: it must not look like a proof. */
function isOfNothing({ batches, total, isCutByFold }: AuditSummary): boolean {
  return batches === 0 && total.accepted === 0 && !isCutByFold
}

/** Whether all was looked at that had been accepted when the audit was asked for, or when its window ends. */
function isWhole({ settledTo }: AuditSummary, settledAt: Date | null): boolean {
  return settledTo === null || (settledAt !== null && settledTo >= settledAt)
}

/** One document, written instance by instance. */
async function printJson(
  io: Io,
  { filter, rows, database, prove }: AuditScene,
  audits: AsyncIterable<InstanceAudit>,
): Promise<AuditSummary> {
  const sum = new AuditSum()
  const { since = null, until = null, tenant = null } = filter
  let before = `{"database":${safeJson(database)},"rows":"${rows}","since":${safeJson(since)},"until":${safeJson(until)},"tenant":${safeJson(tenant)},"instances":[\n`
  for await (const one of audits) {
    sum.add(one)
    await writeOut(io.stdout, before + safeJson(one))
    before = ',\n'
  }
  const { summary, deliveries } = await withDeliveries(sum.summary, prove)
  const rest = safeJson({ ...summary, deliveries }).slice(1)
  await writeOut(io.stdout, `${before === ',\n' ? '\n' : before}],${rest}\n`)
  return summary
}

interface AccountRow {
  readonly account: AuditAccount
  readonly host: string
  readonly instance: string
  readonly state: string
}

const ACCOUNT_SHAPE: RowShape<AccountRow> = {
  toOutput: (row) => ({ ...row }),
  csvColumns: [],
  columns: [
    { title: 'INSTANCE', minWidth: 8, cell: (row) => row.instance.slice(0, 8) },
    { title: 'HOST', minWidth: 8, dropOrder: 1, cell: (row) => row.host },
    { title: 'STATE', minWidth: 5, cell: (row) => row.state },
    { title: 'TENANT', minWidth: 8, cell: (row) => (row.account.tenant === '' ? '-' : row.account.tenant) },
    { title: 'ACCEPTED', isRight: true, cell: (row) => String(row.account.accepted) },
    { title: 'STORED', isRight: true, cell: (row) => String(row.account.stored) },
    { title: 'EXPIRED', isRight: true, dropOrder: 2, cell: (row) => String(row.account.expired) },
    { title: 'QUARANTINED', isRight: true, cell: (row) => String(row.account.quarantined) },
    { title: 'DROPPED', isRight: true, cell: (row) => String(droppedOf(row.account)) },
  ],
}

async function printTable(
  io: Io,
  scene: AuditScene,
  audits: AsyncIterable<InstanceAudit>,
): Promise<AuditSummary> {
  const sum = new AuditSum()
  const listing = openListing(io, 'table', ACCOUNT_SHAPE)
  const gaps: string[] = []
  let omitted = 0
  for await (const one of audits) {
    sum.add(one)
    const { id, host } = one.instance
    const accounts = [...one.accounts].sort((a, b) => (a.tenant < b.tenant ? -1 : 1))
    await listing.write(
      accounts.map((account) => ({ account, instance: id, host: host ?? '?', state: one.state })),
    )
    const room = MAX_LINES - gaps.length
    gaps.push(...one.gaps.slice(0, room).map(({ line }) => line))
    omitted += Math.max(0, one.gaps.length - room) + one.gapsOmitted
  }
  await listing.end()
  const { summary, found } = await withDeliveries(sum.summary, scene.prove)
  await printVerdict(io, scene, { summary, gaps: [...gaps, ...found.gaps], omitted, books: found.words })
  return summary
}

async function printVerdict(
  io: Io,
  scene: AuditScene,
  {
    summary,
    gaps,
    omitted,
    books,
  }: { summary: AuditSummary; gaps: readonly string[]; omitted: number; books: string },
): Promise<void> {
  const lines = gaps.map((line) => `gap: ${escapeUnsafe(line)}\n`)
  if (omitted > 0) lines.push(`gap: ${omitted} more; --json names up to 10000 of each instance\n`)
  await writeOut(
    io.stdout,
    `\n${lines.join('')}database: ${escapeUnsafe(scene.database)}\n${verdict(summary, scene, books)}\n`,
  )
}

/** What the API audits at most. */
const API_DAYS = 7

/** By the ledger alone, a week at most: an answer over HTTP cannot take as long as an audit may. */
async function auditByApi(io: Io, { api, plane, name }: OpenApi, flags: AuditFlags): Promise<ExitCode> {
  for (const flag of ['deep', 'settle'] as const)
    if (flags[flag] !== undefined)
      throw new UsageError([`--${flag} needs the database itself: unset WAYBILL_URL`])
  const filter = await readByPlane(plane, (nowMs, found) => readAuditFilter(flags, nowMs, found))
  const { tenant } = filter
  await requireTenant(plane, tenant)
  const found = await askAudit(api, { tenant, ...windowUpTo(filter, API_DAYS) })
  const { instances, gaps, json } = found
  const scene = { filter, rows: 'not counted', settledAt: null, database: name } as const
  const { since, until } = found
  const prove = proveByApi(plane, { ...(tenant === undefined ? {} : { tenant }), since, until })
  const { summary, deliveries, found: ofDeliveries } = await withDeliveries(found.summary, prove)
  const { isComplete, gapCount } = summary
  if (flags.json === true) {
    await writeOut(
      io.stdout,
      `${safeJson({ database: name, rows: scene.rows, ...json, isComplete, gapCount, deliveries })}\n`,
    )
    return exitCodeOf(summary, null)
  }
  const listing = openListing(io, 'table', ACCOUNT_SHAPE)
  for (const { id, host, state, accounts } of instances)
    await listing.write(accounts.map((account) => ({ account, instance: id, host: host ?? '?', state })))
  await listing.end()
  const lines = [...gaps.map(({ line }) => line), ...ofDeliveries.gaps]
  const omitted = summary.gapCount - lines.length
  await printVerdict(io, { ...scene, prove }, { summary, gaps: lines, omitted, books: ofDeliveries.words })
  return exitCodeOf(summary, null)
}

/** Gaps held to be printed below the table. */
const MAX_LINES = 100_000

/** The last line: what the numbers come to, and what was not looked at. */
function verdict(summary: AuditSummary, { rows, settledAt }: AuditScene, deliveries: string): string {
  const { total, instanceCount, batches, gapCount, waiting, settledTo, weaknesses } = summary
  if (gapCount === 0 && isOfNothing(summary)) {
    return 'NOTHING TO AUDIT: no entry was accepted; is it the right database, window and tenant?'
  }
  const parts = [
    `${total.accepted} accepted = ${total.stored} stored + ${total.quarantined} quarantined + ${droppedOf(total)} dropped`,
    `${instanceCount} ${instanceCount === 1 ? 'instance' : 'instances'}, ${batches} batches`,
    ROWS_WORDS[rows],
  ]
  if (total.expired > 0) parts.push(`${total.expired} of the stored have expired`)
  if (waiting > 0) parts.push(`${waiting} on their way`)
  if (summary.foldedBatches > 0) {
    parts.push(
      `${summary.foldedBatches} batches known in sum, each by itself since ${summary.batchesSince?.toISOString()}`,
    )
  }
  if (summary.isCutByFold) {
    parts.push(
      'not seen: batches before that, which are known in sum only, together with those of other times',
    )
  }
  if (weaknesses.length > 0)
    parts.push(`a crash of the database may have taken, or take, what is stored: ${weaknesses.join(', ')}`)
  if (deliveries !== '') parts.push(deliveries)
  const books = parts.join('; ')
  if (gapCount > 0) return `INCOMPLETE, ${gapCount} ${gapCount === 1 ? 'gap' : 'gaps'}: ${books}`
  const since = summary.isCutByFold ? ` since ${summary.batchesSince?.toISOString()}` : ''
  if (settledTo === null) return `complete${since}: ${books}`
  const upTo = (settledAt !== null && settledTo >= settledAt ? settledAt : settledTo).toISOString()
  const rest = isWhole(summary, settledAt)
    ? ''
    : '; not seen: what live gateways accepted since (--settle 10s waits for it)'
  return `complete${since} up to ${upTo}: ${books}${rest}`
}

function droppedOf({ dropped }: Pick<AuditAccount, 'dropped'>): number {
  return sumOf(dropped)
}
