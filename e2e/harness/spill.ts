import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestGateway } from './gateway.ts'

/** Files and folders below the spill directory of a gateway with the default state folder; none when there is no directory. */
export async function spillFiles(gateway: TestGateway): Promise<string[]> {
  try {
    return await readdir(join(gateway.cwd, '.waybill', 'spill'), { recursive: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
