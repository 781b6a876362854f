import { open } from 'node:fs/promises'

/** Makes names that were added to a folder, or removed, durable. Rejects with the system's error. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
