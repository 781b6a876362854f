import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { mintKey } from '../model/api-key.ts'
import type { RateLimit } from '../model/route.ts'
import { StoreError } from '../store/errors.ts'
import { insertKey } from '../store/keys.ts'
import type { Sql } from '../store/sql.ts'
import { createTenant, getTenant } from '../store/tenants.ts'
import type { Cli } from './cli.ts'
import { DATABASE_OPTIONS, addConfigFlags } from './configuration.ts'
import { readByDatabase, withDatabase } from './context.ts'
import { CommandError } from './errors.ts'
import { collect } from './flags.ts'
import type { ExitCode, Io } from './io.ts'
import { KEY_SHAPE } from './key-shape.ts'
import { writeOut } from './output.ts'
import { NOT_YET_MS, Problems, RATE_FORM } from './problems.ts'
import { safeJson } from './text.ts'

export interface MintFlags {
  readonly tenant?: string
  readonly name?: string
  readonly scope?: readonly string[]
  readonly expires?: string
  readonly allowIp?: readonly string[]
  readonly rate?: string
  /** False after `--no-create-tenant`. */
  readonly createTenant?: boolean
  readonly json?: boolean
}

/** What a new key shall be, read from the flags. */
export interface MintRequest {
  readonly tenant: string
  readonly name: string | null
  readonly scopes: readonly string[]
  readonly allowNetworks: readonly string[]
  readonly rateLimit: RateLimit | null
  readonly expiresAt: Date | null
}

/** Artifact clients download; publishing is asked for by name. */
/**
 * `KEY=$(waybill keys mint …)` and a request in the next line of a script must work. Measured: gateways knew the key 1 to 43 ms
 * after its commit.
 */
const GATEWAYS_LEARN_MS = 150

const DEFAULT_SCOPE = '*:read'
const MAX_NAME_LENGTH = 200

/** Adds `waybill keys mint`. */
export function addMintCommand(keys: Command, cli: Cli): void {
  const command = keys
    .command('mint')
    .description('make a key; it alone is printed on stdout, once, and is stored nowhere')
    .option('--tenant <slug>', 'whose key it is (required); a tenant that does not exist is created')
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
    .option('--json', 'print one JSON object, with the key in it')
  addConfigFlags(command, DATABASE_OPTIONS).action(async (flags: MintFlags) =>
    cli.finish(await mint(cli.io, flags)),
  )
}

/** Reads the flags of `mint`; collects what is wrong with them. */
export function readMintRequest(flags: MintFlags, nowMs: number, problems: Problems): MintRequest {
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
  readMintRequest(flags, NOT_YET_MS, problems)
  problems.throwIfAny()
  return await withDatabase(io, flags, 'control', async ({ sql, config }) => {
    const request = await readByDatabase(io, sql, (nowMs, found) => readMintRequest(flags, nowMs, found))
    await requireTenant(io, sql, request.tenant, flags.createTenant !== false)
    const minted = mintKey()
    const key = await insertKey(sql, {
      id: minted.id,
      digest: minted.digest,
      tenant: request.tenant,
      name: request.name,
      scopes: [...request.scopes],
      allowNetworks: [...request.allowNetworks],
      rateLimit: request.rateLimit,
      expiresAt: request.expiresAt,
    })
    await sleep(GATEWAYS_LEARN_MS)
    for (const note of notes(request, flags, config.routes)) io.stderr.write(`${note}\n`)
    if (flags.json === true) {
      await writeOut(io.stdout, `${safeJson({ key: minted.text, ...KEY_SHAPE.toOutput(key) }, 2)}\n`)
      return 0
    }
    const until = key.expiresAt === null ? 'does not expire' : `expires ${key.expiresAt.toISOString()}`
    io.stderr.write(
      `key ${key.id} of tenant ${key.tenant} minted: ${key.scopes.join(' ')}, ${until}; it is shown only now\n`,
    )
    await writeOut(io.stdout, `${minted.text}\n`)
    return 0
  })
}

/** Makes sure that the tenant is there, creating it where that is permitted. */
async function requireTenant(io: Io, sql: Sql, slug: string, mayCreate: boolean): Promise<void> {
  const tenant = await getTenant(sql, slug)
  if (tenant !== null) {
    if (tenant.state === 'suspended') {
      io.stderr.write(`note: tenant ${slug} is suspended; the key works when it is resumed\n`)
    }
    return
  }
  if (!mayCreate) {
    throw new CommandError(`there is no tenant ${slug}: create it with "waybill tenants create ${slug}"`)
  }
  try {
    await createTenant(sql, slug, {})
    io.stderr.write(`tenant ${slug} created\n`)
  } catch (error) {
    // Another process was faster: all the better.
    if (!(error instanceof StoreError && error.code === 'tenant_exists')) throw error
  }
}

function notes(
  request: MintRequest,
  flags: MintFlags,
  routes: readonly { readonly name: string }[],
): readonly string[] {
  const found: string[] = []
  if (flags.scope === undefined) {
    found.push(
      `note: no --scope given, so the key has ${DEFAULT_SCOPE}: it may read every route and write none`,
    )
  }
  const known = new Set(['*', ...routes.map((route) => route.name)])
  const unknown = request.scopes.filter((scope) => !known.has(scope.slice(0, scope.lastIndexOf(':'))))
  if (routes.length > 0 && unknown.length > 0) {
    found.push(`note: no route of the configuration has a name as in ${unknown.join(', ')}`)
  }
  return found
}
