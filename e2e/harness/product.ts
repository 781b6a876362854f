import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

/** The built product: this file is emitted to dist/e2e/harness/. */
export const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url))

/** Where the project is. */
export function projectFolder(): string {
  return fileURLToPath(new URL('../../../', import.meta.url))
}

/** The Node binary that runs the product; another one than ours with WAYBILL_E2E_NODE. */
export function productNode(): string {
  const node = process.env['WAYBILL_E2E_NODE'] ?? ''
  return node === '' ? process.execPath : node
}

/** A command line for `sh -c` that runs the product. */
export function productShellCommand(): string {
  return `'${productNode()}' '${MAIN}'`
}

/** Makes an empty folder that is removed on teardown. Others may pass through: root's database user has to. */
export async function testFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-e2e-'))
  await chmod(folder, 0o711)
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}
