import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
} from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { actAs, readRegular, type Account } from '../lib/host/folder-owner.ts'
import type { Binaries } from './postgres-binaries.ts'
import { EmbeddedPostgresError, errorMessage } from './postgres-errors.ts'
import type { Layout } from './postgres-layout.ts'
import { runTool } from './postgres-tool.ts'

/** The superuser and the database that every holder connects with. */
export const DATABASE_NAME = 'waybill'

/** Returns the major version that made the cluster in `dataDir`, undefined when there is none. */
export function clusterMajor(dataDir: string): number | undefined {
  const file = join(dataDir, 'PG_VERSION')
  return existsSync(file) ? Number.parseInt(readRegular(file), 10) : undefined
}

/**
 * Makes the cluster with its database, whole or not at all: in a sibling folder, renamed at the very end. For the holder of the lock only.
 * Throws EmbeddedPostgresError `…_NO_USER` or `…_INITDB_FAILED`.
 */
export async function createCluster(
  layout: Layout,
  binaries: Binaries,
  options: { isDurable: boolean; timeoutMs: number },
): Promise<void> {
  requirePasswdEntry(layout)
  const { databaseUser: runAs } = layout
  const partial = `${layout.dataDir}.partial`
  try {
    // Left behind by a crash.
    removeCluster(partial, runAs)
    mkdirSync(partial, { mode: 0o700 })
    if (runAs !== undefined) chownSync(partial, runAs.uid, runAs.gid)
    chmodSync(partial, 0o700)
    const tool = { runAs, timeoutMs: options.timeoutMs }
    await runTool(
      join(binaries.folder, 'initdb'),
      initdbArguments(partial, binaries, options.isDurable),
      tool,
    )
    // The single-user mode needs neither a server nor a driver; exit_on_error makes its status honest.
    await runTool(
      join(binaries.folder, 'postgres'),
      [
        '--single',
        '-D',
        partial,
        '-c',
        'exit_on_error=true',
        ...(options.isDurable ? [] : ['-F']),
        'postgres',
      ],
      { ...tool, input: `CREATE DATABASE ${DATABASE_NAME};\n` },
    )
    renameSync(partial, layout.dataDir)
    syncFolder(layout.home)
  } catch (error) {
    // A killed initdb's child may still be writing for a moment.
    removeCluster(partial, runAs)
    throw new EmbeddedPostgresError(
      'EMBEDDED_POSTGRES_INITDB_FAILED',
      `the embedded database cannot be created in ${layout.dataDir}: ${errorMessage(error)}`,
      { cause: error },
    )
  }
}

function initdbArguments(folder: string, binaries: Binaries, isDurable: boolean): string[] {
  const args = [
    '-D',
    folder,
    '-U',
    DATABASE_NAME,
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
    '--no-instructions',
  ]
  // Byte order like C, but upper() and lower() know all of Unicode; independent of the system's locales (new in PostgreSQL 17).
  if (binaries.major >= 17) args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8')
  if (!isDurable) args.push('--no-sync')
  return args
}

/** initdb asks for the name of its user id and has no option to do without; say so before it fails obscurely. */
function requirePasswdEntry(layout: Layout): void {
  // Root's choice was read from /etc/passwd.
  if (layout.databaseUser !== undefined) return
  try {
    userInfo()
  } catch (error) {
    throw new EmbeddedPostgresError(
      'EMBEDDED_POSTGRES_NO_USER',
      `user id ${process.getuid?.()} has no name on this system, and PostgreSQL's initdb needs one: add it to /etc/passwd, run as a user who has one, or set DATABASE_URL`,
      { cause: error },
    )
  }
}

/** Removes a folder with its owner's rights: the owner could put a link in a folder's place while root removes its content. */
function removeCluster(folder: string, owner: Account | undefined): void {
  if (!existsSync(folder)) return
  actAs(owner, () => {
    for (const name of readdirSync(folder)) {
      rmSync(join(folder, name), { recursive: true, force: true, maxRetries: 5 })
    }
  })
  rmdirSync(folder)
}

/** A rename is durable once its folder is. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
