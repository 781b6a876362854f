import { sleep } from '../../lib/time/sleep.ts'
import type { Command } from 'commander'
import { isSlipOf } from '../../lib/near-name.ts'
import { StoreError } from '../../store/errors.ts'
import type { Cli } from '../cli.ts'
import { CommandError } from '../errors.ts'
import { collect } from '../flags.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { KEY_SHAPE } from './key-shape.ts'
import { noTenant, routeProblem } from '../known-names.ts'
import { writeOut } from '../output/output.ts'
import { addPlaneFlags, readByPlane, withPlane } from '../plane/open-plane.ts'
import type { ControlPlane, KeyWish } from '../plane/plane.ts'
import { RATE_FORM } from '../../model/rate-limit.ts'
import { Problems } from '../problems.ts'
import { safeJson } from '../output/text.ts'

export interface MintFlags {
  readonly tenant?: string
  readonly name?: string
  readonly scope?: readonly string[]
  readonly expires?: string
  readonly allowIp?: readonly string[]
  readonly rate?: string
  /** True after `--create-tenant`, false after `--no-create-tenant`. */
  readonly createTenant?: boolean
  readonly force?: boolean
  readonly json?: boolean
}

/**
 * `KEY=$(waybill keys mint …)` and a request in the next line of a script must work. Measured: gateways knew the key 1 to 43 ms
 * after its commit.
 */
const GATEWAYS_LEARN_MS = 150

/** Artifact clients download; publishing is asked for by name. */
const DEFAULT_SCOPE = '*:read'
const DEFAULT_SCOPE_NOTE = `note: no --scope given, so the key has ${DEFAULT_SCOPE}: it may read every route and write none`
const MAX_NAME_LENGTH = 200

/** Adds `waybill keys mint`. */
export function addMintCommand(keys: Command, cli: Cli): void {
  const command = keys
    .command('mint')
    .description('make a key; it alone is printed on stdout, once, and is stored nowhere')
    .option('--tenant <slug>', 'whose key it is (required); a tenant that does not exist is created')
    .option('--create-tenant', "create it even when its name looks like a slip of another tenant's")
    .option('--no-create-tenant', 'fail when the tenant does not exist')
    .option('--name <name>', 'a name for listings')
    .option(
      '--scope <scope>',
      'what it permits: <route>:read, <route>:write, <route>:* or *:*; repeatable',
      collect,
    )
    .option('--expires <when>', 'a duration (90d), a date, an ISO 8601 time, or never (the default)')
    .option('--allow-ip <network>', 'an address or CIDR that it may be used from; repeatable', collect)
    .option('--rate <rate>', `requests per second: ${RATE_FORM}`)
    .option('--force', "mint it even when a scope looks like a slip of a route's name")
    .option('--json', 'print one JSON object, with the key in it')
  addPlaneFlags(command).action(async (flags: MintFlags) => cli.finish(await mint(cli.io, flags)))
}

/** Reads the flags of `mint`; collects what is wrong with them. */
export function readMintRequest(flags: MintFlags, nowMs: number, problems: Problems): KeyWish {
  if (flags.tenant === undefined) problems.add('--tenant is required')
  return {
    tenant: flags.tenant === undefined ? '' : problems.slug('--tenant', flags.tenant),
    name: flags.name === undefined ? null : keyName(flags.name, problems),
    scopes: problems.scopes('--scope', flags.scope ?? [DEFAULT_SCOPE]),
    allowNetworks: problems.networks('--allow-ip', flags.allowIp ?? []),
    rateLimit: flags.rate === undefined ? null : problems.rate('--rate', flags.rate),
    expiresAt: flags.expires === undefined ? null : problems.expiry('--expires', flags.expires, nowMs),
  }
}

/** Checks a key's name. */
export function keyName(value: string, problems: Problems): string {
  if (!/^[^\p{Cc}\p{Cs}]+$/u.test(value) || value.length > MAX_NAME_LENGTH) {
    problems.add(`--name: must be 1 to ${MAX_NAME_LENGTH} printable characters`)
  }
  return value
}

async function mint(io: Io, flags: MintFlags): Promise<ExitCode> {
  const problems = new Problems()
  problems.readAtAnyTime((nowMs, found) => readMintRequest(flags, nowMs, found))
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    const request = await readByPlane(plane, (nowMs, found) => readMintRequest(flags, nowMs, found))
    const warnings = await scopeWarnings(plane, request.scopes)
    const slip = warnings.find(({ isSlip }) => isSlip)
    if (slip !== undefined && flags.force !== true)
      throw new CommandError(`${slip.text} --force mints it all the same`)
    await ensureTenant(io, plane, request.tenant, flags.createTenant)
    const { made: key, text: secret } = await plane.mintKey(request)
    await sleep(GATEWAYS_LEARN_MS)
    for (const { text } of warnings) io.stderr.write(`warning: ${text}\n`)
    if (flags.scope === undefined) io.stderr.write(`${DEFAULT_SCOPE_NOTE}\n`)
    if (flags.json === true) {
      await writeOut(io.stdout, `${safeJson({ key: secret, ...KEY_SHAPE.toOutput(key) }, 2)}\n`)
      return 0
    }
    const until = key.expiresAt === null ? 'does not expire' : `expires ${key.expiresAt.toISOString()}`
    io.stderr.write(
      `key ${key.id} of tenant ${key.tenant} minted: ${key.scopes.join(' ')}, ${until}; it is shown only now\n`,
    )
    await writeOut(io.stdout, `${secret}\n`)
    return 0
  })
}

/** Makes sure that the tenant is there, creating it where that is permitted: expressly, when it may be another one mistyped. */
async function ensureTenant(
  io: Io,
  plane: ControlPlane,
  slug: string,
  isCreationWanted: boolean | undefined,
): Promise<void> {
  const tenant = await plane.getTenant(slug)
  if (tenant !== null) {
    if (tenant.state === 'suspended') {
      io.stderr.write(`note: tenant ${slug} is suspended; the key works when it is resumed\n`)
    }
    return
  }
  if (isCreationWanted === false) {
    const { message } = await noTenant(plane, slug)
    const isQuestion = message.endsWith('?')
    throw new CommandError(
      `${message}${isQuestion ? ' Else create' : ': create'} it with "waybill tenants create ${slug}"`,
    )
  }
  if (isCreationWanted === undefined) {
    const meant = (await plane.tenantsLike(slug)).find((other) => isSlipOf(slug, other))
    if (meant !== undefined) {
      throw new CommandError(
        `there is no tenant ${slug}; did you mean "${meant}"? --create-tenant creates ${slug} all the same`,
      )
    }
  }
  try {
    await plane.createTenant(slug, {})
    io.stderr.write(`tenant ${slug} created\n`)
  } catch (error) {
    // Another process was faster: all the better.
    if (!(error instanceof StoreError && error.code === 'tenant_exists')) throw error
  }
}

/** For each scope of a route that neither the file nor the log has: another gateway may have it, so only a slip is refused. */
async function scopeWarnings(
  plane: ControlPlane,
  scopes: readonly string[],
): Promise<{ text: string; isSlip: boolean }[]> {
  const warnings: { text: string; isSlip: boolean }[] = []
  for (const scope of scopes) {
    const route = scope.slice(0, scope.lastIndexOf(':'))
    if (route === '*') continue
    const problem = await routeProblem(plane, plane.config, route)
    // Without a file and without traffic nothing is known of any route.
    if (problem === null || problem.known.length === 0) continue
    const isSlip = problem.meant !== null && plane.config.routeNames.length > 0
    warnings.push({ text: `scope ${scope}: ${problem.text}`, isSlip })
  }
  return warnings
}
