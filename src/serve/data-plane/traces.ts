import type { Options } from '../../config/options.ts'
import type { Logger } from '../../logger/logger.ts'
import { Traces } from '../../traces/traces.ts'
import { packageVersion } from '../../version.ts'

/** Traces as the configuration wants them; null when it names no collector. `life`: the id of the process life now. */
export function tracesOf(o: Options, life: () => string, logger: Logger): Traces | null {
  if (o['traces.endpoint'] === '') return null
  return new Traces({
    endpoint: o['traces.endpoint'],
    authorization: o['traces.authorization'],
    maxSpans: o['traces.maxSpans'],
    resource: () => ({ version: packageVersion(), instance: life() }),
    logger,
  })
}
