import type { Command } from 'commander'
import type { SigningKeyInfo } from '../../../store/directory/signing-keys.ts'
import type { Cli } from '../../cli.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { writeOut } from '../../output/output.ts'
import { safeJson } from '../../output/text.ts'
import { addPlaneFlags, withPlane } from '../../plane/open-plane.ts'

interface SigningFlags {
  readonly json?: boolean
  readonly now?: boolean
}

/** Adds `waybill keys signing …`. */
export function addSigningCommands(keys: Command, cli: Cli): void {
  const signing = keys.command('signing').description("keys that sign the tokens of registries' clients")
  const listing = signing.command('list').description('list them, without their secrets')
  addPlaneFlags(listing)
    .option('--json', 'print one JSON object per line')
    .action(async (flags: SigningFlags) =>
      cli.finish(
        await withPlane(cli.io, flags, 'control', async (plane) =>
          print(cli.io, flags, await plane.listSigningKeys()),
        ),
      ),
    )
  const rotation = signing
    .command('rotate')
    .description('sign with a new one in 30 s; tokens of those before it live on until they expire')
  addPlaneFlags(rotation)
    .option('--now', 'at once, and refuse all tokens of those before it')
    .option('--json', 'print one JSON object per line')
    .action(async (flags: SigningFlags) =>
      cli.finish(
        await withPlane(cli.io, flags, 'control', async (plane) =>
          print(cli.io, flags, await plane.rotateSigningKeys(flags.now === true)),
        ),
      ),
    )
}

async function print(io: Io, flags: SigningFlags, keys: readonly SigningKeyInfo[]): Promise<ExitCode> {
  const lines = keys.map((key) =>
    flags.json === true
      ? safeJson(key)
      : `${key.kid}  signs from ${key.activeFrom.toISOString()}${key.retiresAt === null ? '' : ` until ${key.retiresAt.toISOString()}`}`,
  )
  await writeOut(io.stdout, lines.map((line) => `${line}\n`).join(''))
  return 0
}
