import { Spill } from '../writer/spill/spill.ts'
import { entryOf, sealedBatch } from './writer-parts.ts'

// For tests: a process that spills until it is killed, and tells its parent of each batch that is written.

const [directory = '', instance = ''] = process.argv.slice(2)
const ignore = (): void => {}
const logger = { info: ignore, warn: ignore, error: ignore }
const spill = new Spill({ directory, instance, maxBytes: 1e9, syncIntervalMs: 20, logger })
for (let number = 1; ; number++) {
  const entries = Array.from({ length: 1 + (number % 60) }, () => entryOf({ path: 'x'.repeat(number % 900) }))
  await spill.append(sealedBatch(entries, { instance, number }))
  process.send?.(number)
}
