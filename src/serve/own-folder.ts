import { resolve } from 'node:path'
import { folderOfRoot, foreignOwner } from '../lib/host/folder-owner.ts'
import type { Logger } from '../logger/logger.ts'

/**
 * Where this process keeps its state. Root writes nothing below a folder in which another account may put links, and believes nothing
 * that it finds there: then it has a folder of root's, and says so.
 */
export function ownFolder(stateDir: string, logger: Logger | null = null): string {
  const named = resolve(stateDir)
  if (foreignOwner(named) === undefined) return named
  const folder = folderOfRoot(named)
  logger?.info(
    { stateDir: named, folder },
    'stateDir is in the hands of another user: what is spilled and kept goes to a folder of root',
  )
  return folder
}
