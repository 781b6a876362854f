import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from './sync-folder.ts'

export interface PrivateFile {
  /** Where it is written until it is whole: in the same folder, and not there yet. */
  readonly draft: string
  readonly write: (file: FileHandle) => Promise<void>
  /**
   * What survives a crash of the machine once the call has resolved. `content`: whichever file bears the name is whole; `name`: it is
   * this one; `nothing`: neither is promised.
   */
  readonly survives: 'nothing' | 'content' | 'name'
}

/**
 * Writes a file that its owner alone may read, in place of the file of that name, if there is one. It is never seen half: it gets its
 * name when it is whole. Rejects with the system's error, or with that of `write`; then the file that was there stays, and no draft is left.
 */
export async function writePrivateFile(path: string, parts: PrivateFile): Promise<void> {
  const { draft, write, survives } = parts
  // Made anew: a link that somebody has put there is not followed.
  const file = await open(draft, 'wx', 0o600)
  try {
    try {
      await write(file)
      if (survives === 'content') await file.datasync()
      if (survives === 'name') await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  if (survives === 'name') await syncFolder(dirname(path))
}
