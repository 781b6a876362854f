import { createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../lib/error-code.ts'
import { writePrivateFile } from '../lib/host/private-file.ts'
import { openOwn, ownFolder, readOwn, refused } from './kept-files.ts'
import {
  FORMAT,
  keyLine,
  type KeptContact,
  type KeptHeader,
  ruleLine,
  sealedLine,
  signingKeyLine,
  type Taken,
  tenantLine,
} from './kept-format.ts'
import {
  CHANGES,
  CONTACT,
  MAX_CHANGES_BYTES,
  MAX_SNAPSHOT_BYTES,
  OLD_CHANGES,
  SNAPSHOT,
} from './kept-reader.ts'
import type { DirectorySnapshot } from './snapshot.ts'

/** Notes that are taken at once, some 10 ms: beyond, the snapshot ends, and the next holds them all. */
const MAX_NOTES_AT_ONCE = 5000
/** Text that is put together at a stretch, some ms. */
const SLICE_CHARACTERS = 256 * 1024
const NEW = '.new'

/**
 * The files of one folder, for the owner alone:
 *
 *   snapshot      header, a line for each tenant, key and rule, and a checksum; another takes its place at once
 *   contact       until when that snapshot was true; written every few seconds, so that an unchanged one need not be
 *   changes       what was taken away since, or became of a rule, appended by every process before it acts: it never comes back
 *   changes.old   the same, set apart until the snapshot is known to hold it
 */
export class KeptFolder {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Writes a snapshot in the place of the last. Rejects with node's errors, and with code `size`; then the last one stays. */
  async write(
    snapshot: DirectorySnapshot,
    about: Omit<KeptHeader, 'format' | 'id' | 'tenants' | 'keys' | 'rules'>,
  ): Promise<KeptHeader> {
    await ownFolder(this.path)
    const id = randomUUID()
    const { rules } = snapshot
    const counts = {
      tenants: snapshot.tenants.size,
      keys: snapshot.keyCount,
      ...(rules !== null && { rules: rules.byId.size }),
    }
    const header: KeptHeader = { format: FORMAT, id, ...about, ...counts }
    await this.#removeUnfinished()
    await writePrivateFile(join(this.path, SNAPSHOT), {
      draft: join(this.path, `${id}${NEW}`),
      write: (file) => writeLines(file, header, snapshot),
      survives: 'name',
    })
    return header
  }

  async writeContact(contact: KeptContact): Promise<void> {
    await writePrivateFile(join(this.path, CONTACT), {
      draft: join(this.path, `${randomUUID()}${NEW}`),
      write: (file) => file.writeFile(sealedLine(contact)),
      survives: 'nothing',
    })
  }

  /** Appends what was taken away, onto the medium. Rejects with node's errors, and with code `size`. */
  async append(taken: readonly Taken[]): Promise<void> {
    if (taken.length > MAX_NOTES_AT_ONCE) throw refused('size', CHANGES)
    await ownFolder(this.path)
    const { O_WRONLY, O_APPEND, O_CREAT } = constants
    const { file, bytes } = await openOwn(join(this.path, CHANGES), O_WRONLY | O_APPEND | O_CREAT)
    try {
      const text = taken.map(sealedLine).join('')
      if (bytes + text.length > MAX_CHANGES_BYTES) throw refused('size', CHANGES)
      await file.appendFile(text)
      await file.datasync()
    } finally {
      await file.close()
    }
  }

  /** Sets what was noted so far apart from what will be; true when something is set apart now, by whichever process. */
  async setChangesApart(): Promise<boolean> {
    const old = join(this.path, OLD_CHANGES)
    if ((await readOwn(old, MAX_CHANGES_BYTES)) !== '') return true
    try {
      await rename(join(this.path, CHANGES), old)
      return true
    } catch (error) {
      unlessMissing(error)
      return false
    }
  }

  /** The snapshot on disk is known to hold what was set apart. */
  async forgetChangesApart(): Promise<void> {
    await removeFile(join(this.path, OLD_CHANGES))
  }

  /** Nothing is kept any more, until the next `write`. */
  async remove(): Promise<void> {
    for (const name of [SNAPSHOT, CONTACT]) await removeFile(join(this.path, name))
  }

  /** Of writers that were killed. One that lives beside us begins anew. */
  async #removeUnfinished(): Promise<void> {
    const names = (await readdir(this.path)).filter((name) => name.endsWith(NEW))
    for (const name of names) await removeFile(join(this.path, name))
  }
}

async function writeLines(file: FileHandle, header: KeptHeader, snapshot: DirectorySnapshot): Promise<void> {
  const hash = createHash('sha256')
  let bytes = 0
  let text = `${JSON.stringify(header)}\n`
  const flush = async (): Promise<void> => {
    const slice = Buffer.from(text)
    text = ''
    bytes += slice.length
    if (bytes > MAX_SNAPSHOT_BYTES - 128) throw refused('size', SNAPSHOT)
    hash.update(slice)
    await file.appendFile(slice)
  }
  for (const key of snapshot.signingKeys) text += signingKeyLine(key)
  for (const tenant of snapshot.tenants.values()) {
    text += tenantLine(tenant)
    if (text.length > SLICE_CHARACTERS) await flush()
  }
  for (const shard of snapshot.keys.shards) {
    for (const [digest, key] of shard) {
      text += keyLine(digest, key)
      if (text.length > SLICE_CHARACTERS) await flush()
    }
  }
  for (const rule of snapshot.rules?.byId.values() ?? []) {
    text += ruleLine(rule)
    if (text.length > SLICE_CHARACTERS) await flush()
  }
  await flush()
  await file.appendFile(`end ${hash.digest('hex')}\n`)
}

async function removeFile(path: string): Promise<void> {
  await unlink(path).catch(unlessMissing)
}

function unlessMissing(error: unknown): void {
  if (errorCode(error) !== 'ENOENT') throw error
}
