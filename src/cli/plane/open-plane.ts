import type { Command } from 'commander'
import { addConfigFlags, DATABASE_OPTIONS, printWarnings, readConfig } from '../configuration.ts'
import { type Handle, withDatabase } from '../context.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { Problems } from '../problems.ts'
import { addPlaceFlags, readPlace } from './api-place.ts'
import type { ControlPlane } from './plane.ts'
import type { ApiClient } from './remote/api-client.ts'

/** Adds the flags that say where a command finds the control plane: the database, or the API. */
export function addPlaneFlags(command: Command): Command {
  return addPlaceFlags(addConfigFlags(command, DATABASE_OPTIONS))
}

/**
 * Opens the control plane that the configuration names, the database or the API of a gateway, gives it to `use` and always closes it. Rejects as
 * `withDatabase`, and with a CommandError for an API that cannot be asked.
 */
export async function withPlane(
  io: Io,
  flags: object,
  handle: Extract<Handle, 'control' | 'reader'>,
  use: (plane: ControlPlane) => Promise<ExitCode>,
): Promise<ExitCode> {
  const code = await withApi(io, flags, ({ plane }) => use(plane))
  if (code !== null) return code
  const { storePlane } = await import('./store-plane.ts')
  return await withDatabase(io, flags, handle, (database) => use(storePlane(io, database)))
}

/** What a command has of an API, besides the plane. */
export interface OpenApi {
  readonly api: ApiClient
  readonly plane: ControlPlane
  /** Where it is, for people. */
  readonly name: string
}

/**
 * For a command that does by the API another thing than on a database: has `use` do it where it is told to ask the API; null where it is not.
 * Rejects as `withPlane`.
 */
export async function withApi(
  io: Io,
  flags: object,
  use: (open: OpenApi) => Promise<ExitCode>,
): Promise<ExitCode | null> {
  const place = readPlace(io, flags)
  if (place === null) return null
  const config = readConfig(io, flags, { ignoreRoutes: true })
  printWarnings(io, config)
  const { openRemote } = await import('./remote/remote-plane.ts')
  return await use(openRemote(io, place, config))
}

/** Reads flags that may hold a time again by the plane's clock; see `readByDatabase`. Throws a `UsageError` as the first reading does. */
export async function readByPlane<T>(
  plane: Pick<ControlPlane, 'nowMs'>,
  read: (nowMs: number, problems: Problems) => T,
): Promise<T> {
  const problems = new Problems()
  const value = read(await plane.nowMs(), problems)
  problems.throwIfAny()
  return value
}
