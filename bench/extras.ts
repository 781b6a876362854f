import { connections } from './extras/connections.ts'
import { footprint } from './extras/footprint.ts'
import { generatorCheck } from './extras/generator-check.ts'
import { outage } from './extras/outage.ts'
import { start } from './extras/start.ts'
import { workers } from './extras/workers.ts'
import { writer } from './extras/writer.ts'
import type { Extra } from './extras/extra.ts'

/** What does not fit into a table of candidates by scenario. */
export const EXTRAS: readonly Extra[] = [
  outage,
  connections,
  start,
  footprint,
  workers,
  writer,
  generatorCheck,
]
