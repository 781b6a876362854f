import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository; this file is emitted to dist/bench/harness/. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** The product as users run it. */
export const PRODUCT = fileURLToPath(new URL('../../main.js', import.meta.url))
/** What measures the writer alone; it stands beside it. */
export const WRITER_BENCH = fileURLToPath(new URL('../../writer/writer.bench.js', import.meta.url))
/** Another checkout's product, of its own build. */
export function productIn(checkout: string): string {
  return join(checkout, 'dist', 'main.js')
}
/** What is not emitted: servers of the libraries, Go's source. */
export const SOURCES = fileURLToPath(new URL('../../../bench/', import.meta.url))
