import type { Command } from 'commander'
import { ADMIN_ROLES } from '../../../model/admin/principal.ts'
import type { AdminToken } from '../../../store/access/admin-tokens.ts'
import type { Cli } from '../../cli.ts'
import { addFormatFlags, readFormat, type FormatFlags } from '../../flags.ts'
import { printListing, type RowShape } from '../../output/listing.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { writeOut } from '../../output/output.ts'
import { safeJson } from '../../output/text.ts'
import { addPlaneFlags, readByPlane, withPlane } from '../../plane/open-plane.ts'
import { Problems } from '../../problems.ts'
import { keyName } from '../key-minting.ts'

interface TokenFlags extends FormatFlags {
  readonly name?: string
  readonly role?: string
  readonly tenant?: string
  readonly expires?: string
  readonly all?: boolean
}

const DEFAULT_EXPIRES = '90d'

const TOKEN_SHAPE: RowShape<AdminToken> = {
  toOutput: (token) => ({ ...token }),
  csvColumns: ['id', 'name', 'role', 'tenant', 'state', 'createdAt', 'expiresAt', 'revokedAt', 'lastUsedAt'],
  columns: [
    { title: 'ID', cell: (k) => k.id },
    { title: 'NAME', minWidth: 8, cell: (k) => k.name },
    { title: 'ROLE', cell: (k) => (k.tenant === null ? k.role : `${k.role} ${k.tenant}`) },
    { title: 'STATE', cell: (k) => k.state },
    { title: 'EXPIRES', dropOrder: 1, cell: (k) => k.expiresAt?.toISOString() ?? 'never' },
    { title: 'LAST USED', dropOrder: 2, cell: (k) => k.lastUsedAt?.toISOString() ?? 'never' },
  ],
}

/** Adds `waybill tokens …`. */
export function addTokenCommands(program: Command, cli: Cli): void {
  const tokens = program
    .command('tokens')
    .description('tokens of people and machines for the admin API and the console')
  const creation = tokens
    .command('create')
    .description('make a token; it alone is printed on stdout, once, and is stored nowhere')
    .option('--name <name>', 'whose it is (required)')
    .option('--role <role>', `what it may do: ${ADMIN_ROLES.join(', ')} (default: viewer)`)
    .option('--tenant <slug>', 'what the role tenant sees')
    .option(
      '--expires <when>',
      `a duration, a date, an ISO 8601 time, or never (default: ${DEFAULT_EXPIRES})`,
    )
    .option('--json', 'print one JSON object, with the token in it')
  addPlaneFlags(creation).action(async (flags: TokenFlags) => cli.finish(await create(cli.io, flags)))
  const listing = tokens
    .command('list')
    .description('list the tokens')
    .option('--all', 'expired and revoked ones too')
  addPlaneFlags(addFormatFlags(listing)).action(async (flags: TokenFlags) =>
    cli.finish(await list(cli.io, flags)),
  )
  const revocation = tokens
    .command('revoke <id>')
    .description('end a token and the sessions that were opened with it, for good')
    .option('--json', 'print one JSON object')
  addPlaneFlags(revocation).action(async (id: string, flags: TokenFlags) =>
    cli.finish(await revoke(cli.io, id, flags)),
  )
}

async function create(io: Io, flags: TokenFlags): Promise<ExitCode> {
  const problems = new Problems()
  const role = problems.choice('--role', flags.role ?? 'viewer', ADMIN_ROLES) ?? 'viewer'
  const name = flags.name === undefined ? '' : keyName(flags.name, problems)
  const tenant = flags.tenant === undefined ? null : problems.slug('--tenant', flags.tenant)
  if (flags.name === undefined) problems.add('--name is required')
  if (role === 'tenant' && tenant === null) problems.add('--tenant is required with --role tenant')
  if (role !== 'tenant' && tenant !== null) problems.add('--tenant needs --role tenant')
  const expires = flags.expires ?? DEFAULT_EXPIRES
  problems.readAtAnyTime((nowMs, found) => found.expiry('--expires', expires, nowMs))
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    const expiresAt = await readByPlane(plane, (nowMs, found) => found.expiry('--expires', expires, nowMs))
    const { made: token, text } = await plane.createToken({ name, role, tenant, expiresAt })
    if (flags.json === true) {
      await writeOut(io.stdout, `${safeJson({ token: text, ...TOKEN_SHAPE.toOutput(token) }, 2)}\n`)
      return 0
    }
    const until = expiresAt === null ? 'does not expire' : `expires ${expiresAt.toISOString()}`
    io.stderr.write(
      `token ${token.id} of ${name} made: ${role}${tenant === null ? '' : ` ${tenant}`}, ${until}; it is shown only now\n`,
    )
    await writeOut(io.stdout, `${text}\n`)
    return 0
  })
}

async function list(io: Io, flags: TokenFlags): Promise<ExitCode> {
  const problems = new Problems()
  const format = readFormat(flags, problems)
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    const tokens = await plane.listTokens(flags.all === true)
    await printListing(io, format, TOKEN_SHAPE, tokens)
    plane.nameSource()
    return 0
  })
}

async function revoke(io: Io, id: string, flags: TokenFlags): Promise<ExitCode> {
  return await withPlane(io, flags, 'control', async (plane) => {
    const { token, changed } = await plane.revokeToken(id)
    io.stderr.write(`token ${id} ${changed ? 'is now' : 'was already'} revoked\n`)
    if (flags.json === true) await writeOut(io.stdout, `${safeJson(TOKEN_SHAPE.toOutput(token), 2)}\n`)
    return 0
  })
}
