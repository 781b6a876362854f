import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join, parse, resolve, sep } from 'node:path'

/** A numeric user and its primary group. */
export interface Account {
  uid: number
  gid: number
}

/** Where root keeps what belongs to a folder that others may write. */
export const ROOT_HOMES = '/var/lib/waybill'

const MAX_LINKS = 40
const STICKY = 0o1000
const WRITABLE_BY_ALL = 0o002

/**
 * For root: the account, other than root, that decides what is found under this path, because it owns a folder or a link on the way
 * there; the last one on the way. `anyone` when every account may put names there. Undefined when root alone decides, and for every
 * ordinary user, whose rights end where the kernel says. The path need not exist.
 */
export function foreignOwner(path: string): Account | 'anyone' | undefined {
  if (process.geteuid?.() !== 0) return undefined
  let found: Account | 'anyone' | undefined
  // Names still to go, the next one last.
  const rest = namesOf(resolve(path))
  let at = parse(resolve(path)).root
  for (let links = 0; ;) {
    const stats = lstatSync(at, { throwIfNoEntry: false })
    if (stats === undefined) return found
    if (stats.uid !== 0) found = { uid: stats.uid, gid: stats.gid }
    if (stats.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw new Error(`${path}: too many symbolic links`)
      rest.push(...namesOf(resolve(dirname(at), readlinkSync(at))))
      at = parse(resolve(path)).root
      continue
    }
    const isOpen = (stats.mode & WRITABLE_BY_ALL) !== 0 && (stats.mode & STICKY) === 0
    if (stats.isDirectory() && isOpen) found = 'anyone'
    const next = rest.pop()
    if (next === undefined) return found
    if (next !== '') at = join(at, next)
  }
}

/** The names of an absolute path, the last one first. */
function namesOf(path: string): string[] {
  return path.split(sep).slice(1).toReversed()
}

/** The folder in which root keeps what it would have kept in `folder`, were that not somebody else's; the one around it is made. */
export function folderOfRoot(folder: string): string {
  mkdirSync(ROOT_HOMES, { recursive: true, mode: 0o711 })
  return nameOfRootFolder(folder)
}

/** The path that `folderOfRoot` returns; makes nothing. */
export function nameOfRootFolder(folder: string): string {
  return join(ROOT_HOMES, createHash('sha256').update(resolve(folder)).digest('hex').slice(0, 16))
}

/**
 * Does something synchronous with the rights of another account, when we are root: what that account could not do fails. The whole process
 * has those rights meanwhile, so nothing that waits belongs here.
 */
export function actAs<T>(account: Account | undefined, act: () => T): T {
  const { geteuid, getegid, getgroups, seteuid, setegid, setgroups } = process
  const isPosix =
    geteuid !== undefined && getegid !== undefined && getgroups !== undefined && seteuid !== undefined
  if (account === undefined || !isPosix || setegid === undefined || setgroups === undefined) return act()
  if (geteuid() !== 0) return act()
  const before = { gid: getegid(), groups: getgroups() }
  setgroups([account.gid])
  setegid(account.gid)
  seteuid(account.uid)
  try {
    return act()
  } finally {
    seteuid(0)
    setegid(before.gid)
    setgroups(before.groups)
  }
}

/**
 * Opens a regular file and never what a link names: neither a symbolic one nor, for root, a second name of somebody else's file. `flags` are
 * open(2)'s. Throws as open does; ELOOP for a link, EINVAL for what is no regular file.
 */
export function openRegular(path: string, flags: number, mode = 0o600): number {
  const { O_NOFOLLOW, O_NONBLOCK } = constants
  const fd = openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, mode)
  const stats = fstatSync(fd)
  const isOurs = process.geteuid?.() !== 0 || stats.nlink === 1
  if (stats.isFile() && isOurs) return fd
  closeSync(fd)
  const problem = stats.isFile() ? 'has a second name (hard link)' : 'is not a regular file'
  throw Object.assign(new Error(`${path} ${problem}`), { code: 'EINVAL' })
}

/** The text of a regular file; see `openRegular`. */
export function readRegular(path: string): string {
  const fd = openRegular(path, constants.O_RDONLY)
  try {
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/** Whether the account has a name on this system, which initdb insists on. */
export function hasName({ uid }: Account): boolean {
  return passwdLines().some((fields) => fields[2] === String(uid))
}

/** The name of a user id in /etc/passwd. */
export function nameOf(uid: number): string | undefined {
  return passwdLines().find((fields) => fields[2] === String(uid))?.[0]
}

function passwdLines(): string[][] {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
}
