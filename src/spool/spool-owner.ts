import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { errorCode } from '../lib/error-code.ts'
import { processStart } from '../lib/host/machine.ts'
import { type SpoolFiles } from './spool-files.ts'

/** A live owner touches its file this often … */
export const HEARTBEAT_MS = 5000
/** … and one that cannot be looked at, being elsewhere, is taken for dead after this long without. */
const DEAD_AFTER_MS = 30_000

/** Name of the file that names the owner of a directory. */
export const OWNER_FILE = 'owner.json'

/** Identity of a process. Neither a later process of the same pid nor one in another container has the same. */
export interface Owner {
  readonly pid: number
  readonly host: string
  /** Boot of the machine and pid name space; '' where that cannot be known. */
  readonly space: string
  /** Start of the process, clock ticks since boot; '' where that cannot be known. */
  readonly started: string
}

/** Tells which processes live. Injected: a test cannot die. */
export interface Owners {
  /** This process. Never rejects. */
  us(): Promise<Owner>
  /** See isOwnerAlive. */
  isAlive(files: SpoolFiles, path: string, us: Owner, nowMs: number): Promise<boolean>
}

/** The real thing. */
export const systemOwners: Owners = { us: thisOwner, isAlive: isOwnerAlive }

/** This process. */
async function thisOwner(): Promise<Owner> {
  const boot = (await orEmpty(readFile('/proc/sys/kernel/random/boot_id', 'utf8'))).trim()
  const pids = await orEmpty(readlink('/proc/self/ns/pid'))
  const space = boot === '' || pids === '' ? '' : `${boot} ${pids}`
  return { pid: process.pid, host: hostname(), space, started: processStart(process.pid) }
}

/**
 * Whether the owner of a directory lives. One in our pid name space can be looked at; of one elsewhere only the age of its last
 * heartbeat is known. A directory without the file has no owner: it is made before any segment, and removed at an orderly end.
 */
async function isOwnerAlive(files: SpoolFiles, path: string, us: Owner, nowMs: number): Promise<boolean> {
  let owner: Partial<Owner>
  let touchedAtMs: number
  try {
    touchedAtMs = (await files.stat(path)).mtimeMs
    // `null`, a number or a list has none of the fields: its owner is looked at as one elsewhere.
    owner = (JSON.parse(await files.readText(path)) ?? {}) as Partial<Owner>
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    if (!(error instanceof SyntaxError)) throw error
    // Killed while writing it, or just writing it.
    return isHeardOf(path, (await files.stat(path)).mtimeMs, nowMs)
  }
  if (us.space !== '' && owner.space === us.space) return processStart(owner.pid ?? 0) === owner.started
  if (us.space === '' && owner.space === '' && owner.host === us.host)
    return owner.pid !== undefined && hasProcess(owner.pid)
  return isHeardOf(path, touchedAtMs, nowMs)
}

/** When a file was first seen with the time that it bears: by our own monotonic clock, whatever the owner's shows. */
const SEEN = new Map<string, { readonly mtimeMs: number; readonly sinceMs: number }>()
const MAX_SEEN = 10_000

/**
 * Whether a heartbeat goes on: its file's time has changed, in either direction, within the last half minute that we looked. The
 * difference to our clock tells nothing: the owner's may be wrong, or step back under it while it lives.
 */
function isHeardOf(path: string, mtimeMs: number, nowMs: number): boolean {
  const seen = SEEN.get(path)
  if (seen?.mtimeMs === mtimeMs) return nowMs - seen.sinceMs < DEAD_AFTER_MS
  if (SEEN.size >= MAX_SEEN) SEEN.clear()
  SEEN.set(path, { mtimeMs, sinceMs: nowMs })
  return true
}

function hasProcess(pid: number): boolean {
  // After a restart of its container a gateway has the same pid: the owner is its own earlier life.
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

async function orEmpty(text: Promise<string>): Promise<string> {
  try {
    return await text
  } catch {
    return ''
  }
}
