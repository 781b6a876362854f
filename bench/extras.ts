import { connections } from './extras/connections.ts'
import { generatorCheck } from './extras/generator-check.ts'
import { outage } from './extras/outage.ts'
import { start } from './extras/start.ts'
import { writer } from './extras/writer.ts'
import type { Extra } from './extras/extra.ts'

/** What does not fit into a table of candidates by scenario. */
export const EXTRAS: readonly Extra[] = [outage, connections, start, writer, generatorCheck]
