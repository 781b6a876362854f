import { fileURLToPath } from 'node:url'

/** The repository; this file is emitted to dist/bench/harness/. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** The product as users run it. */
export const PRODUCT = fileURLToPath(new URL('../../main.js', import.meta.url))
/** What is not emitted: servers of the libraries, Go's source. */
export const SOURCES = fileURLToPath(new URL('../../../bench/', import.meta.url))
