import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { join } from 'node:path'
import type { TenantGrant } from '../model/grant.ts'
import type { ScopeSet } from '../model/scope.ts'
import type { RuleRecord } from '../model/rules/rule.ts'
import type { SigningKey } from '../model/token/signing-key.ts'
import type { KeyRecord } from './directory-source.ts'
import { checkFolder, openOwn, readOwn, refused } from './kept-files.ts'
import {
  corrupt,
  FORMAT,
  type KeptContact,
  type KeptHeader,
  readSealed,
  readTenantLine,
  type Taken,
  TakenSince,
} from './kept-format.ts'
import { type DirectorySnapshot, SnapshotUpdate } from './snapshot.ts'

/** Names in the folder. */
export const SNAPSHOT = 'snapshot'
export const CONTACT = 'contact'
export const CHANGES = 'changes'
export const OLD_CHANGES = 'changes.old'

/** Largest snapshot on disk: some million keys. */
export const MAX_SNAPSHOT_BYTES = 256 * 1024 ** 2
/** Most that may have been noted since it was written. */
export const MAX_CHANGES_BYTES = 4 * 1024 ** 2
const MAX_CONTACT_BYTES = 4096
/** A read, and so what is turned into grants at a stretch: some 2 ms. */
const READ_BYTES = 128 * 1024

/** What the folder holds, proven whole, and not judged. */
export interface Kept {
  readonly header: KeptHeader
  readonly contact: KeptContact | null
  readonly snapshot: DirectorySnapshot
}

/** Reads all of it. Rejects with a code that says why not: ENOENT where there is none. */
export async function readKept(folder: string): Promise<Kept> {
  await checkFolder(folder)
  // In the order against the one in which they are written: what is moved on meanwhile is met again, not missed.
  const noted = await readNoted(join(folder, CHANGES))
  const notedBefore = await readNoted(join(folder, OLD_CHANGES))
  const reading = new SnapshotReading(new TakenSince([...notedBefore, ...noted]))
  const { file, bytes } = await openOwn(join(folder, SNAPSHOT), constants.O_RDONLY)
  try {
    if (bytes > MAX_SNAPSHOT_BYTES) throw refused('size', SNAPSHOT)
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null)
      if (bytesRead === 0) break
      reading.add(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
  const { header, snapshot } = reading.finish()
  const contact = await readContact(folder)
  return { header, contact: contact?.id === header.id ? contact : null, snapshot }
}

/** The header alone, unproven; null when there is none to be read. */
export async function readHeader(folder: string): Promise<KeptHeader | null> {
  try {
    const { file } = await openOwn(join(folder, SNAPSHOT), constants.O_RDONLY)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0)
      return JSON.parse(buffer.toString('utf8', 0, bytesRead).split('\n')[0] ?? '') as KeptHeader
    } finally {
      await file.close()
    }
  } catch {
    return null
  }
}

/** Null when there is none, or it cannot be read: then the snapshot is as old as it says itself. */
export async function readContact(folder: string): Promise<KeptContact | null> {
  try {
    return readSealed<KeptContact>(await readOwn(join(folder, CONTACT), MAX_CONTACT_BYTES))[0] ?? null
  } catch {
    return null
  }
}

async function readNoted(path: string): Promise<Taken[]> {
  return readSealed<Taken>(await readOwn(path, MAX_CHANGES_BYTES))
}

/** Puts the snapshot together from pieces of its text, and proves it by its last line. */
class SnapshotReading {
  readonly #taken: TakenSince
  readonly #update = new SnapshotUpdate(null, true, new Map<string, ScopeSet>())
  readonly #hash = createHash('sha256')
  #rest: Buffer = Buffer.alloc(0)
  #header: KeptHeader | null = null
  #digest: string | null = null
  #tenants = 0
  #keys = 0
  readonly #ruleIds = new Set<string>()

  constructor(taken: TakenSince) {
    this.#taken = taken
  }

  add(piece: Buffer): void {
    const bytes = Buffer.concat([this.#rest, piece])
    const end = bytes.lastIndexOf(0x0a) + 1
    this.#rest = Buffer.from(bytes.subarray(end))
    const lines = bytes.toString('utf8', 0, end).split('\n').slice(0, -1)
    const tenants: TenantGrant[] = []
    const keys: KeyRecord[] = []
    const signingKeys: SigningKey[] = []
    const rules: RuleRecord[] = []
    for (const line of lines) {
      if (this.#digest !== null) throw corrupt('something follows the end')
      if (line.startsWith('end ')) {
        this.#digest = line.slice(4)
        continue
      }
      this.#hash.update(`${line}\n`)
      if (this.#header === null) this.#header = readFirst(line)
      else if (line.startsWith('t')) {
        this.#tenants++
        tenants.push(this.#taken.tenant(readTenantLine(line)))
      } else if (line.startsWith('k')) {
        this.#keys++
        const key = this.#taken.key(JSON.parse(line.slice(1)) as KeyRecord)
        if (key !== null) keys.push(key)
      } else if (line.startsWith('s')) {
        const key = JSON.parse(line.slice(1)) as SigningKey
        if (this.#taken.hasSigningKey(key)) signingKeys.push(key)
      } else if (line.startsWith('r')) {
        const rule = this.#taken.rule(JSON.parse(line.slice(1)) as RuleRecord)
        this.#ruleIds.add(rule.id)
        rules.push(rule)
      } else throw corrupt('a line of no kind')
    }
    this.#update.add({ tenants, keys, signingKeys, ...(rules.length > 0 && { rules }) })
  }

  finish(): { header: KeptHeader; snapshot: DirectorySnapshot } {
    const header = this.#header
    const isWhole = this.#digest === this.#hash.digest('hex') && this.#rest.length === 0
    if (header === null || !isWhole) throw corrupt('the checksum is another one')
    if (header.tenants !== this.#tenants || header.keys !== this.#keys) throw corrupt('rows are missing')
    if ((header.rules ?? 0) !== this.#ruleIds.size) throw corrupt('rows are missing')
    if (header.rules !== undefined) {
      const rules = this.#taken.rules.filter(({ id }) => !this.#ruleIds.has(id))
      this.#update.add({ tenants: [], keys: [], rules })
    }
    return { header, snapshot: this.#update.finish() }
  }
}

function readFirst(line: string): KeptHeader {
  const header = JSON.parse(line) as Partial<KeptHeader> | null
  const isOurs =
    header?.format === FORMAT &&
    typeof header.contactAtMs === 'number' &&
    Number.isFinite(header.contactAtMs) &&
    typeof header.target === 'string'
  if (!isOurs) throw corrupt('the first line is not ours')
  return header as KeptHeader
}
