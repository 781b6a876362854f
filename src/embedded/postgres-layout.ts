import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  lchownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { errorCode } from '../lib/error-code.ts'
import {
  actAs,
  folderOfRoot,
  foreignOwner,
  hasName,
  nameOf,
  nameOfRootFolder,
  openRegular,
  type Account,
} from '../lib/host/folder-owner.ts'
import { EmbeddedPostgresError, errorMessage } from './postgres-errors.ts'

/**
 * Where everything of one embedded database lives, the same for every process that names the same state dir.
 *
 *     home/            <stateDir>/postgres, or a folder under /var/lib/waybill (see chooseHome)
 *       data/          the cluster, 0700, owned by the database user
 *       server-…/      a copy of the binaries, only when those installed cannot be used in place
 *       lock           held by the one supervisor; contains its pid
 *       log, log.1     supervisor and PostgreSQL, bounded
 *     sockets/         home, or a short folder in the temporary directory
 *       control.sock   the supervisor
 *       run/           0700, the socket of PostgreSQL
 */
export interface Layout {
  home: string
  dataDir: string
  logFile: string
  lockFile: string
  sockets: string
  runDir: string
  controlSocket: string
  /** the user that PostgreSQL runs as when Waybill is root (PostgreSQL refuses to be); undefined: the same user */
  databaseUser: Account | undefined
  /** the user that the supervisor runs as when root visits the folder of an ordinary user; undefined: the same user */
  supervisorUser: Account | undefined
}

/** The number in the socket's file name; no port is opened. */
export const POSTGRES_PORT = 5432

// sun_path is 104 bytes on macOS and 108 on Linux, both with the final NUL.
const MAX_SOCKET_PATH_BYTES = 103

/**
 * Decides where the database of `stateDir` lives and creates the folders that are missing, with the right owners.
 * A second call changes nothing. Throws EmbeddedPostgresError `…_NO_ACCESS` when a folder cannot be made or is not safe to use.
 */
export function prepareLayout(stateDir: string, onProgress: (message: string) => void): Layout {
  try {
    const owner = foreignOwner(stateDir)
    if (owner === undefined) return ownLayout(stateDir, onProgress)
    if (owner !== 'anyone' && hasName(owner)) return visitorLayout(stateDir, owner)
    return keptElsewhere(resolve(stateDir), 'others may write there', onProgress)
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) throw error
    throw new EmbeddedPostgresError(
      'EMBEDDED_POSTGRES_NO_ACCESS',
      `cannot prepare ${stateDir} for the embedded database: ${errorMessage(error)}`,
      { cause: error },
    )
  }
}

/** Whether `prepareLayout` would find a database of `stateDir`; changes nothing. True when it cannot be looked at: opening it says why. */
export function hasDatabase(stateDir: string): boolean {
  try {
    return lstatSync(join(homeOf(stateDir), 'data'), { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    return !['ENOENT', 'ENOTDIR'].includes(errorCode(error))
  }
}

/** The folder that `prepareLayout` decides for. Throws as a look at it fails. */
function homeOf(stateDir: string): string {
  const owner = foreignOwner(stateDir)
  if (owner !== undefined && (owner === 'anyone' || !hasName(owner))) return nameOfRootFolder(stateDir)
  const realStateDir = realpathSync(stateDir)
  const home = join(realStateDir, 'postgres')
  const isRoots = process.geteuid?.() === 0 && owner === undefined && dataOwner(home) === undefined
  return isRoots && !canTraverse(realStateDir, unprivilegedAccount()) ? nameOfRootFolder(realStateDir) : home
}

/** In a folder of our own: the ordinary user's that Waybill runs as, or one that root alone can change. */
function ownLayout(stateDir: string, onProgress: (message: string) => void): Layout {
  const isRoot = process.geteuid?.() === 0
  // Not 0700 for root: the database user has to pass through it.
  mkdirSync(resolve(stateDir), { recursive: true, mode: isRoot ? 0o711 : 0o700 })
  const realStateDir = realpathSync(stateDir)
  if (isRoot) return rootLayout(realStateDir, onProgress)
  const home = join(realStateDir, 'postgres')
  makeFolder(home, 0o700)
  return completeLayout(home, undefined)
}

/** Root in the folder of an ordinary user works with that user's rights from the first file on, so links lead nowhere else. */
function visitorLayout(stateDir: string, owner: Account): Layout {
  const layout = actAs(owner, () => ownLayout(stateDir, () => {}))
  const found = lstatSync(layout.dataDir, { throwIfNoEntry: false })
  if (found !== undefined && found.uid !== owner.uid) {
    throw new EmbeddedPostgresError(
      'EMBEDDED_POSTGRES_NO_ACCESS',
      `${layout.dataDir} belongs to user id ${found.uid}, in a folder of user ${nameOf(owner.uid) ?? owner.uid}, who could replace it: give it to that user (chown -R), or keep it in a folder of root's`,
    )
  }
  return { ...layout, supervisorUser: owner }
}

/** Gives a file that root made in a folder of another user to that user, so that its owner can go on alone later. */
export function followOwner(path: string, folder: string): void {
  if (process.geteuid?.() !== 0) return
  const owner = statSync(folder)
  if (owner.uid !== 0) lchownSync(path, owner.uid, owner.gid)
}

/** Opens the log for appending, creating it; returns the descriptor. */
export function openLog(layout: Layout): number {
  const { O_WRONLY, O_APPEND, O_CREAT } = constants
  const fd = actAs(layout.supervisorUser, () => openRegular(layout.logFile, O_WRONLY | O_APPEND | O_CREAT))
  try {
    if (layout.supervisorUser === undefined) followOwner(layout.logFile, layout.home)
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return fd
}

function completeLayout(home: string, databaseUser: Account | undefined): Layout {
  const sockets = socketFolder(home, databaseUser !== undefined)
  const runDir = join(sockets, 'run')
  makeFolder(runDir, 0o700, databaseUser)
  return {
    home,
    dataDir: join(home, 'data'),
    logFile: join(home, 'log'),
    lockFile: join(home, 'lock'),
    sockets,
    runDir,
    controlSocket: join(sockets, 'control.sock'),
    databaseUser,
    supervisorUser: undefined,
  }
}

function rootLayout(realStateDir: string, onProgress: (message: string) => void): Layout {
  const home = join(realStateDir, 'postgres')
  // An ordinary user's database, visited by root, stays that user's.
  const owner = dataOwner(home)
  const databaseUser = owner ?? unprivilegedAccount()
  if (canTraverse(realStateDir, databaseUser)) {
    makeFolder(home, 0o711)
    return completeLayout(home, databaseUser)
  }
  if (owner !== undefined) {
    throw new EmbeddedPostgresError(
      'EMBEDDED_POSTGRES_NO_ACCESS',
      `the database in ${home} belongs to user id ${owner.uid}, who may no longer pass through ${realStateDir}: give that right back (chmod a+x on each folder of the path), or set DATABASE_URL`,
    )
  }
  const problem = `user id ${databaseUser.uid}, whom PostgreSQL runs as, cannot enter it`
  return keptElsewhere(realStateDir, problem, onProgress)
}

function keptElsewhere(stateDir: string, problem: string, onProgress: (message: string) => void): Layout {
  const home = folderOfRoot(stateDir)
  onProgress(`${stateDir}: ${problem}; the database is kept in ${home}`)
  makeFolder(home, 0o711)
  return completeLayout(home, dataOwner(home) ?? unprivilegedAccount())
}

function dataOwner(home: string): Account | undefined {
  const stats = lstatSync(join(home, 'data'), { throwIfNoEntry: false })
  return stats === undefined || stats.uid === 0 ? undefined : { uid: stats.uid, gid: stats.gid }
}

/** `waybill` or `postgres` where the system has it, else `nobody`. Read from the file: spawn() takes numbers and Node offers no look-up by name. */
function unprivilegedAccount(): Account {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  for (const name of ['waybill', 'postgres', 'nobody']) {
    const fields = lines.find((line) => line.startsWith(`${name}:`))?.split(':')
    const uid = Number(fields?.[2])
    const gid = Number(fields?.[3])
    if (Number.isInteger(uid) && Number.isInteger(gid) && uid > 0) return { uid, gid }
  }
  throw new EmbeddedPostgresError(
    'EMBEDDED_POSTGRES_NO_USER',
    'PostgreSQL refuses to run as root, and /etc/passwd has neither "waybill" nor "postgres" nor "nobody" to run it as: start Waybill as an ordinary user, or set DATABASE_URL',
  )
}

/** By mode bits alone: an access list that grants more is not seen, and then the database merely lives elsewhere. */
function canTraverse(folder: string, account: Account): boolean {
  for (let path = folder; ; path = dirname(path)) {
    const { mode, uid, gid } = statSync(path)
    let bit = 0o001
    if (uid === account.uid) bit = 0o100
    else if (gid === account.gid) bit = 0o010
    if ((mode & bit) === 0) return false
    if (path === dirname(path)) return true
  }
}

function socketFolder(home: string, isRoot: boolean): string {
  const longest = join(home, 'run', `.s.PGSQL.${POSTGRES_PORT}`)
  if (Buffer.byteLength(longest) < MAX_SOCKET_PATH_BYTES) return home
  const digest = createHash('sha256').update(home).digest('hex').slice(0, 16)
  const owner = process.geteuid?.() ?? 0
  const folder = join(temporaryFolder(), `waybill-${owner}-${digest}`)
  makeFolder(folder, isRoot ? 0o711 : 0o700)
  // Anyone may create names in a shared temporary folder: take this one only if it is a real folder of ours that none can write.
  const stats = lstatSync(folder)
  if (!stats.isDirectory() || stats.uid !== owner || (stats.mode & 0o066) !== 0) {
    throw new EmbeddedPostgresError(
      'EMBEDDED_POSTGRES_NO_ACCESS',
      `${folder}, needed for sockets because ${home} is too long a path for them, exists and is not safe to use: remove it`,
    )
  }
  return folder
}

/** /tmp before TMPDIR: two processes with different environments have to find the same folder. */
function temporaryFolder(): string {
  try {
    accessSync('/tmp', constants.W_OK | constants.X_OK)
    return '/tmp'
  } catch {
    return tmpdir()
  }
}

/** The mode and owner are set on creation only; what exists keeps its own. */
function makeFolder(path: string, mode: number, owner?: Account): void {
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return
    throw error
  }
  // Against the umask, which may have taken the x bit for others away.
  chmodSync(path, mode)
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid)
  else followOwner(path, dirname(path))
}
