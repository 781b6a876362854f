import { createInterface } from 'node:readline/promises'
import { type Command, Option } from 'commander'
import type { TenantState } from '../../model/grant.ts'
import { StoreError } from '../../store/errors.ts'
import { SETTING_ROWS, type TenantChanges } from '../../model/tenant-settings.ts'
import type { Tenant } from '../../store/directory/tenants.ts'
import { awaitFollowers, DEFAULT_WAIT } from '../await-followers.ts'
import type { Cli } from '../cli.ts'
import { UsageError } from '../errors.ts'
import { addFormatFlags, collect, readFormat, type FormatFlags } from '../flags.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { noTenant, routeProblem } from '../known-names.ts'
import { openListing, printListing } from '../output/listing.ts'
import { writeOut } from '../output/output.ts'
import { Problems } from '../problems.ts'
import { addPlaneFlags, withPlane } from '../plane/open-plane.ts'
import type { ControlPlane } from '../plane/plane.ts'
import { TENANT_SHAPE } from './tenant-shape.ts'
import { safeJson } from '../output/text.ts'

/** The flags of the settings are in SETTING_FLAGS. */
interface TenantFlags extends FormatFlags, Readonly<Record<string, unknown>> {
  readonly ifVersion?: string
  readonly all?: boolean
  readonly yes?: boolean
  readonly wait?: boolean
  readonly waitFor?: string
}

type Action = (io: Io, slug: string, flags: TenantFlags) => Promise<ExitCode>

const SETTING_FLAGS = SETTING_ROWS.map(([name, setting]) => {
  const option = new Option(setting.flag, setting.help)
  if (setting.isRepeatable) option.argParser(collect)
  return { name, setting, option, attribute: option.attributeName(), label: option.long ?? '' }
})

const FLAG_NAMES = SETTING_FLAGS.map(({ label }) => label)
const SETTING_FLAG_NAMES = `${FLAG_NAMES.slice(0, -1).join(', ')} or ${FLAG_NAMES.at(-1) ?? ''}`

/** Adds `waybill tenants …`. */
export function addTenantCommands(program: Command, cli: Cli): void {
  const tenants = program.command('tenants').description('create, list, limit, suspend and delete tenants')
  const one = (name: string, description: string, action: Action): Command => {
    const command = tenants.command(`${name} <slug>`).description(description)
    return addPlaneFlags(command)
      .option('--json', 'print one JSON object')
      .action(async (slug: string, flags: TenantFlags) => cli.finish(await action(cli.io, slug, flags)))
  }
  addSettingFlags(one('create', 'create a tenant', create))
  const listing = tenants.command('list').description('list the tenants').option('--all', 'deleted ones too')
  addPlaneFlags(addFormatFlags(listing)).action(async (flags: TenantFlags) =>
    cli.finish(await list(cli.io, flags)),
  )
  one('show', 'show a tenant', show)
  addSettingFlags(
    one('set', 'change the limits of a tenant; takes effect on every gateway at once', set),
  ).option('--if-version <n>', 'only if the tenant still has this version')
  addWaitFlags(
    one('suspend', 'refuse all requests of a tenant until it is resumed', setState('suspended', 'suspended')),
  )
  one('resume', 'end the suspension of a tenant', setState('active', 'active'))
  addWaitFlags(
    one('delete', 'delete a tenant and revoke its keys, for good; its access log stays', remove).option(
      '--yes',
      'do not ask',
    ),
  )
}

function addWaitFlags(command: Command): void {
  command
    .option('--wait', 'return when every gateway process has confirmed it; exit 1 naming those that have not')
    .option('--wait-for <duration>', `longest wait for that (default: ${DEFAULT_WAIT})`)
}

function addSettingFlags(command: Command): Command {
  for (const { option } of SETTING_FLAGS) command.addOption(option)
  return command
}

/** Reads the flags of `create` and `set`; only what was given is in the result. */
function readTenantChanges(flags: TenantFlags, problems: Problems): TenantChanges {
  const changes: Record<string, unknown> = {}
  for (const { name, setting, attribute, label } of SETTING_FLAGS) {
    const given = flags[attribute] as string | readonly string[] | undefined
    if (given !== undefined) changes[name] = setting.parse([given].flat(), label, problems)
  }
  return changes
}

async function create(io: Io, slug: string, flags: TenantFlags): Promise<ExitCode> {
  const problems = new Problems()
  problems.slug('tenant', slug)
  const changes = readTenantChanges(flags, problems)
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    await warnOfRoutes(io, plane, changes)
    return await printTenant(io, flags, await plane.createTenant(slug, changes))
  })
}

async function list(io: Io, flags: TenantFlags): Promise<ExitCode> {
  const problems = new Problems()
  const format = readFormat(flags, problems)
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    const listing = openListing(io, format, TENANT_SHAPE)
    for await (const page of plane.listTenants(flags.all === true)) await listing.write(page)
    await listing.end()
    plane.nameSource()
    return 0
  })
}

async function show(io: Io, slug: string, flags: TenantFlags): Promise<ExitCode> {
  checkSlug(slug)
  return await withPlane(io, flags, 'control', async (plane) => {
    const tenant = await plane.getTenant(slug)
    if (tenant !== null) return await printTenant(io, flags, tenant)
    throw await noTenant(plane, slug)
  })
}

async function set(io: Io, slug: string, flags: TenantFlags): Promise<ExitCode> {
  const problems = new Problems()
  problems.slug('tenant', slug)
  const changes = readTenantChanges(flags, problems)
  const ifVersion =
    flags.ifVersion === undefined
      ? null
      : problems.integer('--if-version', flags.ifVersion, 1, Number.MAX_SAFE_INTEGER)
  if (Object.keys(changes).length === 0) {
    problems.add(`nothing to set: give ${SETTING_FLAG_NAMES}`)
  }
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    await warnOfRoutes(io, plane, changes)
    const tenant = await plane.updateTenant(slug, changes, ifVersion).catch(hintAt(plane, slug))
    return await printTenant(io, flags, tenant)
  })
}

/** Another gateway may have such a route: it is said, not refused. A limit that is removed may be of a route that has gone. */
async function warnOfRoutes(io: Io, plane: ControlPlane, changes: TenantChanges): Promise<void> {
  for (const [route, rate] of Object.entries(changes.routeRateLimits ?? {})) {
    const problem = rate === null ? null : await routeProblem(plane, plane.config, route)
    if (problem !== null) io.stderr.write(`warning: --route-rate: ${problem.text}\n`)
  }
}

function setState(state: TenantState, adjective: string): Action {
  return async (io, slug, flags) => {
    checkSlug(slug)
    const problems = new Problems()
    const timeoutMs = problems.durationMs('--wait-for', flags.waitFor ?? DEFAULT_WAIT)
    if (flags.waitFor !== undefined && flags.wait !== true) problems.add('--wait-for needs --wait')
    problems.throwIfAny()
    return await withPlane(io, flags, 'control', async (plane) => {
      const { tenant, changed } = await plane.setTenantState(slug, state).catch(hintAt(plane, slug))
      io.stderr.write(`tenant ${slug} ${changed ? 'is now' : 'was already'} ${adjective}\n`)
      const change = { table: 'tenants', id: slug, timeoutMs } as const
      const code = flags.wait === true ? await awaitFollowers(io, plane, change) : 0
      if (flags.json === true) await printTenant(io, flags, tenant)
      return code
    })
  }
}

async function remove(io: Io, slug: string, flags: TenantFlags): Promise<ExitCode> {
  checkSlug(slug)
  if (flags.yes !== true && !(await isConfirmed(io, slug))) {
    io.stderr.write('nothing was deleted\n')
    return 1
  }
  return await setState('deleted', 'deleted, and its keys are revoked')(io, slug, flags)
}

/** Asks at the terminal; where there is none, `--yes` is required. */
async function isConfirmed(io: Io, slug: string): Promise<boolean> {
  if (!io.isTty.stdin) throw new UsageError(['--yes is required where there is no terminal to ask at'])
  const terminal = createInterface({ input: io.stdin, output: io.stderr })
  try {
    const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')))
    const question = `This cannot be undone. Type the tenant's name to delete it and revoke its keys: `
    const answer = await Promise.race([terminal.question(question), closed])
    return answer.trim() === slug
  } finally {
    terminal.close()
  }
}

/** For what the store rejects with: a tenant that is not there may be another one mistyped. */
function hintAt(plane: ControlPlane, slug: string): (error: unknown) => Promise<never> {
  return async (error) => {
    const isMissing = error instanceof StoreError && error.code === 'tenant_not_found'
    throw isMissing ? await noTenant(plane, slug) : error
  }
}

function checkSlug(slug: string): void {
  const problems = new Problems()
  problems.slug('tenant', slug)
  problems.throwIfAny()
}

async function printTenant(io: Io, flags: TenantFlags, tenant: Tenant): Promise<ExitCode> {
  if (flags.json === true) await writeOut(io.stdout, `${safeJson(TENANT_SHAPE.toOutput(tenant), 2)}\n`)
  else await printListing(io, 'table', TENANT_SHAPE, [tenant])
  return 0
}
