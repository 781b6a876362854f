import type { Command } from 'commander'
import type { ApiKey, KeyChanges } from '../../store/directory/keys.ts'
import { awaitFollowers, DEFAULT_WAIT } from '../await-followers.ts'
import type { Cli } from '../cli.ts'
import { addFormatFlags, readFormat, type FormatFlags } from '../flags.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { addMintCommand, keyName } from './key-minting.ts'
import { KEY_SHAPE } from './key-shape.ts'
import { addSigningCommands } from './tokens/signing-keys.ts'
import { requireTenant } from '../known-names.ts'
import { printListing } from '../output/listing.ts'
import { writeOut } from '../output/output.ts'
import { addPlaneFlags, readByPlane, withPlane } from '../plane/open-plane.ts'
import { RATE_FORM } from '../../model/rate-limit.ts'
import { Problems } from '../problems.ts'
import { safeJson } from '../output/text.ts'

interface KeyFlags extends FormatFlags {
  readonly tenant?: string
  readonly all?: boolean
  readonly name?: string
  readonly rate?: string
  readonly expires?: string
  readonly ifVersion?: string
  readonly overlap?: string
  readonly wait?: boolean
  readonly waitFor?: string
}

const DEFAULT_OVERLAP = '24h'

type Action = (io: Io, id: string, flags: KeyFlags) => Promise<ExitCode>

/** Adds `waybill keys …`. */
export function addKeyCommands(program: Command, cli: Cli): void {
  const keys = program.command('keys').description('mint, list, limit, rotate and revoke API keys')
  addMintCommand(keys, cli)
  addSigningCommands(keys, cli)
  const listing = keys
    .command('list')
    .description('list the keys')
    .option('--tenant <slug>', 'only those of one tenant')
    .option('--all', 'expired and revoked ones too')
  addPlaneFlags(addFormatFlags(listing)).action(async (flags: KeyFlags) =>
    cli.finish(await list(cli.io, flags)),
  )
  const one = (name: string, description: string, action: Action): Command => {
    const command = keys.command(`${name} <id>`).description(description)
    return addPlaneFlags(command)
      .option('--json', 'print one JSON object')
      .action(async (text: string, flags: KeyFlags) =>
        cli.finish(await action(cli.io, readKeyId(cli.io, text), flags)),
      )
  }
  one('show', 'show a key', show)
  one('set', 'change the name, limit or expiry of a key; takes effect on every gateway at once', set)
    .option('--name <name>', 'a name for listings')
    .option('--rate <rate>', `requests per second: ${RATE_FORM}`)
    .option('--expires <when>', 'a duration (90d), a date, an ISO 8601 time, or never')
    .option('--if-version <n>', 'only if the key still has this version')
  one('rotate', 'make a successor with the same rights; it alone is printed on stdout', rotate).option(
    '--overlap <duration>',
    `how long the old key goes on working (default: ${DEFAULT_OVERLAP})`,
  )
  one('revoke', 'end a key, for good', revoke)
    .option('--wait', 'return when every gateway process has confirmed it; exit 1 naming those that have not')
    .option('--wait-for <duration>', `longest wait for that (default: ${DEFAULT_WAIT})`)
}

/** The id in what the user gave; a complete key is accepted, with a warning. */
function readKeyId(io: Io, text: string): string {
  const problems = new Problems()
  const { id, isWholeKey } = problems.keyId('key', text)
  problems.throwIfAny()
  if (isWholeKey) {
    io.stderr.write(
      `warning: the key itself was on the command line, where others may see it; its id is ${id}\n`,
    )
  }
  return id
}

async function list(io: Io, flags: KeyFlags): Promise<ExitCode> {
  const problems = new Problems()
  const format = readFormat(flags, problems)
  const tenant = flags.tenant === undefined ? undefined : problems.slug('--tenant', flags.tenant)
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    await requireTenant(plane, tenant)
    const found = await plane.listKeys({
      ...(tenant === undefined ? {} : { tenant }),
      includeInactive: flags.all === true,
    })
    await printListing(io, format, KEY_SHAPE, found)
    plane.nameSource()
    return 0
  })
}

async function show(io: Io, id: string, flags: KeyFlags): Promise<ExitCode> {
  return await withPlane(io, flags, 'control', async (plane) => {
    const key = await plane.getKey(id)
    if (key !== null) return await printKey(io, flags, key)
    io.stderr.write(`error: there is no key ${id}\n`)
    return 1
  })
}

/** Reads the flags of `set`; only what was given is in the result. */
export function readKeyChanges(flags: KeyFlags, nowMs: number, problems: Problems): KeyChanges {
  return {
    ...(flags.name === undefined ? {} : { name: keyName(flags.name, problems) }),
    ...(flags.rate === undefined ? {} : { rateLimit: problems.rate('--rate', flags.rate) }),
    ...(flags.expires === undefined ? {} : { expiresAt: problems.expiry('--expires', flags.expires, nowMs) }),
  }
}

async function set(io: Io, id: string, flags: KeyFlags): Promise<ExitCode> {
  const problems = new Problems()
  const given = problems.readAtAnyTime((nowMs, found) => readKeyChanges(flags, nowMs, found))
  const ifVersion =
    flags.ifVersion === undefined
      ? null
      : problems.integer('--if-version', flags.ifVersion, 1, Number.MAX_SAFE_INTEGER)
  if (Object.keys(given).length === 0) problems.add('nothing to set: give --name, --rate or --expires')
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    const changes = await readByPlane(plane, (nowMs, found) => readKeyChanges(flags, nowMs, found))
    return await printKey(io, flags, await plane.updateKey(id, changes, ifVersion))
  })
}

async function rotate(io: Io, id: string, flags: KeyFlags): Promise<ExitCode> {
  const problems = new Problems()
  const overlapMs = problems.durationMs('--overlap', flags.overlap ?? DEFAULT_OVERLAP)
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    const { old, made: successor, text } = await plane.rotateKey(id, overlapMs)
    if (flags.json === true) {
      const output = {
        key: text,
        ...KEY_SHAPE.toOutput(successor),
        replaces: { id: old.id, expiresAt: old.expiresAt },
      }
      await writeOut(io.stdout, `${safeJson(output, 2)}\n`)
      return 0
    }
    io.stderr.write(
      `key ${successor.id} replaces ${old.id}, which ends ${old.expiresAt?.toISOString() ?? 'never'}; it is shown only now\n`,
    )
    await writeOut(io.stdout, `${text}\n`)
    return 0
  })
}

async function revoke(io: Io, id: string, flags: KeyFlags): Promise<ExitCode> {
  const problems = new Problems()
  const timeoutMs = problems.durationMs('--wait-for', flags.waitFor ?? DEFAULT_WAIT)
  if (flags.waitFor !== undefined && flags.wait !== true) problems.add('--wait-for needs --wait')
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    const { key, changed } = await plane.revokeKey(id)
    io.stderr.write(`key ${id} ${changed ? 'is now' : 'was already'} revoked\n`)
    const code =
      flags.wait === true ? await awaitFollowers(io, plane, { table: 'api_keys', id, timeoutMs }) : 0
    if (flags.json === true) await printKey(io, flags, key)
    return code
  })
}

async function printKey(io: Io, flags: KeyFlags, key: ApiKey): Promise<ExitCode> {
  if (flags.json === true) await writeOut(io.stdout, `${safeJson(KEY_SHAPE.toOutput(key), 2)}\n`)
  else await printListing(io, 'table', KEY_SHAPE, [key])
  return 0
}
