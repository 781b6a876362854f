import type { Command } from 'commander'
import { addConfigFlags, DATABASE_OPTIONS, printWarnings, readConfig } from '../configuration.ts'
import { type Handle, withDatabase } from '../context.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { Problems } from '../problems.ts'
import { addPlaceFlags, readPlace } from './api-place.ts'
import type { ControlPlane } from './plane.ts'

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
  const place = readPlace(io, flags)
  if (place === null) {
    const { storePlane } = await import('./store-plane.ts')
    return await withDatabase(io, flags, handle, (database) => use(storePlane(io, database)))
  }
  const config = readConfig(io, flags, { ignoreRoutes: true })
  printWarnings(io, config)
  const { remotePlane } = await import('./remote/remote-plane.ts')
  return await use(remotePlane(io, place, config))
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
